"""fedsparse: federated learning in far less than one bit per parameter.

A neural network keeps its random weights; what is trained, by federated learning, is a binary mask over them.

    from fedsparse import Experiment, run

    result = run(Experiment.of(preset="demo"))
    print(result.history)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedsparse.errors import DataError, FedsparseError, MessageError, RunError, RunWarning, SettingError
    from fedsparse.experiment import PRESETS, Experiment
    from fedsparse.federation import Federation, run
    from fedsparse.history import History
    from fedsparse.layers import MaskedConv2d, MaskedLinear, sample_mask
    from fedsparse.models import Architecture, MaskedNetwork
    from fedsparse.regularizers import Regularizer
    from fedsparse.runs import Run, open_run
    from fedsparse.wire.network_file import TrainedNetwork, load_network

__version__ = "0.1.0"

_MODULES = {
    "errors": ("DataError", "FedsparseError", "MessageError", "RunError", "SettingError", "RunWarning"),
    "experiment": ("PRESETS", "Experiment"),
    "federation": ("Federation", "run"),
    "history": ("History",),
    "layers": ("MaskedConv2d", "MaskedLinear", "sample_mask"),
    "models": ("Architecture", "MaskedNetwork"),
    "regularizers": ("Regularizer",),
    "runs": ("Run", "open_run"),
    "wire.network_file": ("TrainedNetwork", "load_network"),
}
"""Where each name is defined. It is imported when it is first used, so that a command line answers at once, and can
say what is missing where PyTorch is not installed."""

__all__ = [name for names in _MODULES.values() for name in names]


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"fedsparse.{module}"), name)
    try:
        return importlib.import_module(f"fedsparse.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"fedsparse.{name}":
            raise
    raise AttributeError(f"module 'fedsparse' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
