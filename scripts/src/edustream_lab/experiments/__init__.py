"""The experiments, in the order in which they are told. Each has its sentences in a table beside it."""

from typing import Final

from edustream_lab.experiment import Experiment
from edustream_lab.experiments import (
    break_the_contract,
    change_the_shared_code,
    delete_the_artifact,
    different_pythons,
    forge_a_model,
    fridays_release,
    registry_goes_away,
    rename_the_folder,
    two_at_once,
)

EXPERIMENTS: Final[tuple[Experiment, ...]] = (
    delete_the_artifact.EXPERIMENT,
    rename_the_folder.EXPERIMENT,
    change_the_shared_code.EXPERIMENT,
    break_the_contract.EXPERIMENT,
    registry_goes_away.EXPERIMENT,
    forge_a_model.EXPERIMENT,
    two_at_once.EXPERIMENT,
    fridays_release.EXPERIMENT,
    different_pythons.EXPERIMENT,
)
