"""The run config of the Flower app: every setting of `Experiment`, and four settings that only a network needs."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from fedsparse.errors import SettingError
from fedsparse.experiment import SETTINGS, Experiment
from fedsparse.setting import nearest


@dataclass(frozen=True)
class FlowerSettings:
    """How long the server waits, how many updates a round needs, and whose data the clients train on.

    Raises:
        SettingError: a value of the wrong type, or out of range.
    """

    node_wait: float = 120.0
    """Seconds that the server waits for as many nodes as there are clients; then it goes on with those it has."""
    reply_timeout: float = 120.0
    """Seconds that a client has to answer. Flower reports a dead process after some 65: less would count it twice."""
    min_updates: int = 1
    """With fewer usable updates than this in a round, θ stays as it was."""
    site_classes: int = 0
    """0: each client holds a part of `dataset`. Otherwise each node has its own data, with labels below this number."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value, whole = getattr(self, f.name), f.type is int
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value < 0 or (whole and value != int(value)):
                kind = "a whole number" if whole else "a number of seconds"
                raise SettingError(f"{f.name}={value!r} is not {kind}, 0 or more")
            object.__setattr__(self, f.name, int(value) if whole else float(value))
        if not self.reply_timeout:
            raise SettingError("reply_timeout=0 leaves no client the time to answer; 120 is the default")


def from_run_config(run_config: Mapping[str, Any]) -> tuple[Experiment, FlowerSettings]:
    """The experiment and the Flower settings in a run config, checked.

    Raises:
        SettingError: an unknown name (the nearest known one is offered), a wrong type, a value out of range.
    """
    own = [f.name for f in fields(FlowerSettings)]
    known = [*SETTINGS, *own]
    for name in run_config:
        if name not in known:
            raise SettingError(f"no setting {name!r}{nearest(name, known) or '; the settings are ' + ', '.join(known)}")
    settings = FlowerSettings(**{name: value for name, value in run_config.items() if name in own})
    return Experiment.of({name: value for name, value in run_config.items() if name in SETTINGS}), settings


def to_run_config(experiment: Experiment, settings: FlowerSettings | None = None) -> dict[str, Any]:
    """The inverse of `from_run_config`."""
    return experiment.settings | asdict(settings or FlowerSettings())
