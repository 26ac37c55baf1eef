"""The one reader of every command line: words, `--switches` and `name=value`, in any order."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fedsparse.errors import SettingError
from fedsparse.experiment import SETTINGS
from fedsparse.setting import nearest

FORM = "settings are given as name=value"
MULTIRUN = "--multirun"
SHORT = {"-m": MULTIRUN}
TRAINING = {n: f.type is str and not f.metadata["choices"] for n, f in SETTINGS.items()} | {"preset": False}
"""The names that describe an `Experiment`, and whether each is free text."""


class CommandLine:
    """The arguments of a command, taken apart; what the command does not know is refused.

    Args:
        argv: the arguments after the command's name.
        words: what the arguments without a `=` name, in order, each with its choices; no choices is any word.
        switches: the known switches.

    Raises:
        SettingError: a word that is missing, unknown or too many, an unknown switch, a name that is given twice.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        words: Mapping[str, Collection[str]] | None = None,
        switches: Collection[str] = (),
    ) -> None:
        self.known_switches = switches
        self.options: list[str] = []
        self.switches: set[str] = set()
        self.words: list[str] = []
        self.given: dict[str, str] = {}
        for i, argument in enumerate(argv):
            name, equals, value = argument.partition("=")
            if argument.startswith("-"):
                switch = SHORT.get(argument, argument)
                if switch not in switches:
                    raise SettingError(_unknown_switch(argument, argv[i + 1 : i + 2], switches))
                self.switches.add(switch)
            elif not equals:
                self.words.append(argument)
            elif name in self.given:
                raise SettingError(f"{name} is given twice: {name}={self.given[name]} and {argument}")
            else:
                self.given[name] = value
        _check_words(self.words, words or {})

    @property
    def multirun(self) -> bool:
        """Whether several values of a name are several runs."""
        return MULTIRUN in self.switches

    def option(self, name: str, default: Any, choices: Collection[str] = ()) -> Any:
        """Take the value of a name out of the settings: text if its default is text, else a number above 0.

        Raises:
            SettingError: not one of the choices, or no such number.
        """
        self.options.append(name)
        text = self.given.pop(name, None)
        if text is None:
            return default
        if isinstance(default, str):
            if not text or (choices and text not in choices):
                wrong = f"is not one of {', '.join(choices)}{nearest(text, choices)}" if choices else "names nothing"
                raise SettingError(f"{name}={text} {wrong}")
            return text
        (value, *more), whole = _parsed(name, text), isinstance(default, int)
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if more or not number or not value > 0:
            raise SettingError(f"{name}={text} is not a {'whole ' * whole}number above 0")
        return value

    def settings(self, names: Mapping[str, bool] | None = None, kind: str = "setting") -> dict[str, Any]:
        """The settings of a call that has one value per name; see `combinations`. Without names, none may be left."""
        (settings,) = self.combinations(names or {}, kind)
        return settings

    def combinations(self, names: Mapping[str, bool], kind: str = "setting") -> list[dict[str, Any]]:
        """Every combination of one value per name.

        A value that is text is taken as the shell passes it; with `--multirun`, its commas separate several. All others
        are numbers, words and lists as Hydra writes them, with its sweeps such as `0,1` and `range(0,3)`.

        Args:
            names: the known names, and whether the value of each is text.
            kind: what a name is called in messages.

        Raises:
            SettingError: an unknown name, a value that cannot be read, or several values without `--multirun`.
        """
        values = {}
        for name, value in self.given.items():
            if name not in names:
                known = [*names, *self.options]
                there = f"; there are {', '.join(known)}" if known else f"; it takes no {kind}s"
                raise SettingError(f"no {kind} {name!r}{nearest(name, known) or there}")
            if names[name]:
                values[name] = value.split(",") if self.multirun else [value]
            else:
                values[name] = _parsed(name, value)
            if len(values[name]) > 1 and not self.multirun:
                more = f": add {MULTIRUN} to run them all" if MULTIRUN in self.known_switches else "; it takes one"
                raise SettingError(f"{name} has {len(values[name])} values{more}")
        return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def _parsed(name: str, value: str) -> list[Any]:
    """The values that Hydra's grammar finds."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Glob
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    try:
        override = parser.parse_override(f"{name}={value}")
    except HydraException:
        raise SettingError(f"cannot read {f'{name}={value}'!r}: a value is a number, a word or a list [0,1]") from None
    if not override.is_sweep_override():
        return [override.value()]
    if isinstance(override.value(), Glob) or not override.is_discrete_sweep():
        raise SettingError(f"{f'{name}={value}'!r}: name the values, as in {name}=0,1")
    found = [parser.parse_override(f"x={v}").value() for v in override.sweep_string_iterator()]
    if not found:
        raise SettingError(f"{f'{name}={value}'!r} names no value: range(0,3) is 0, 1, 2")
    return found


def _unknown_switch(argument: str, following: Sequence[str], switches: Collection[str]) -> str:
    """What to say of a switch that is not known: mostly it is a setting in the style of other programs."""
    switch, equals, value = argument.partition("=")
    if equals and switch in switches:
        return f"{switch} is a switch and takes no value"
    name, similar = switch.lstrip("-").replace("-", "_"), nearest(switch, ["--help", *switches])
    value = value or "".join(word for word in following if "=" not in word and not word.startswith("-"))
    if name in TRAINING or (value and not similar):
        return f"{argument}: {FORM}: {name}={value or '…'}"
    return f"no switch {argument!r}{similar or '; there are ' + ', '.join(['--help', *switches])}"


def _check_words(words: Sequence[str], expected: Mapping[str, Collection[str]]) -> None:
    for word, (what, choices) in zip(words, expected.items(), strict=False):
        if choices and word not in choices:
            known = nearest(word, choices) or f"; there are {', '.join(choices)}"
            raise SettingError(f"no {what} {word!r}{known}")
    if len(words) > len(expected):
        raise SettingError(f"cannot read {words[len(expected)]!r}: {FORM}, as in lam=1")
    for what, choices in list(expected.items())[len(words) :]:
        raise SettingError(f"name the {what}{': ' * bool(choices)}{', '.join(choices)}")
