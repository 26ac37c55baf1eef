"""fedsparse: federated learning in far less than one bit per parameter.

A neural network keeps its random weights; what is trained, by federated learning, is a binary mask over them.

    from fedsparse import Experiment, run

    result = run(Experiment.of(preset="demo"))
    print(result.history)
"""

from fedsparse.errors import DataError, FedsparseError, MessageError, RunError, SettingError, TargetWarning
from fedsparse.experiment import PRESETS, Experiment
from fedsparse.federation import Federation, Run, run
from fedsparse.history import History
from fedsparse.layers import MaskedConv2d, MaskedLinear, sample_mask
from fedsparse.models import Architecture, MaskedNetwork
from fedsparse.wire.network_file import TrainedNetwork, load_network

__version__ = "0.1.0"

__all__ = [
    "PRESETS",
    "Architecture",
    "DataError",
    "Experiment",
    "Federation",
    "FedsparseError",
    "History",
    "MaskedConv2d",
    "MaskedLinear",
    "MaskedNetwork",
    "MessageError",
    "Run",
    "RunError",
    "SettingError",
    "TargetWarning",
    "TrainedNetwork",
    "load_network",
    "run",
    "sample_mask",
]
