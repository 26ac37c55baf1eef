"""The run config of the Flower app: every setting of `Experiment`, and the terms on which server and nodes meet."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from fedsparse.errors import SettingError
from fedsparse.experiment import SETTINGS, Experiment, nearest


@dataclass(frozen=True)
class Terms:
    """How long the server waits, for how many, and whose data there are.

    Raises:
        SettingError: a value of the wrong type, or out of range.
    """

    node_wait: float = 120.0
    """Seconds that the server waits for as many nodes as there are clients; then it goes on with those it has."""
    reply_timeout: float = 120.0
    """Seconds that a client has to answer. Flower reports a dead process after some 65: less would count it twice."""
    least_replies: int = 1
    """Updates of a round below which θ stays as it was."""
    site_classes: int = 0
    """0: clients hold parts of `dataset`. Else each node brings data of its own, with labels below this number."""

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


def read(run_config: Mapping[str, Any]) -> tuple[Experiment, Terms]:
    """What a run config says, checked.

    Raises:
        SettingError: an unknown name (the nearest known one is offered), a wrong type, a value out of range.
    """
    names = [f.name for f in fields(Terms)]
    known = [*SETTINGS, *names]
    for name in run_config:
        if name not in known:
            raise SettingError(f"no setting {name!r}{nearest(name, known) or '; the settings are ' + ', '.join(known)}")
    terms = Terms(**{name: value for name, value in run_config.items() if name in names})
    return Experiment.of({name: value for name, value in run_config.items() if name not in names}), terms


def run_config(experiment: Experiment, terms: Terms | None = None) -> dict[str, Any]:
    """The inverse of `read`."""
    return experiment.settings | asdict(terms or Terms())
