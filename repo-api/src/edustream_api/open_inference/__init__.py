"""The Open Inference Protocol v2, for clients of other servers."""
