"""The stages of dvc.yaml: the steps of a training, each a process that leaves files to the next one."""
