"""`name=value` and `name=value,value` on a command line, as Hydra spells them."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fedsparse.errors import SettingError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


def combinations(arguments: Sequence[str], multirun: bool) -> list[dict[str, Any]]:
    """Every combination of one value a name, as the arguments describe them; what is Hydra's own is left out.

    Raises:
        SettingError: an argument that is no `name=value`, or several values for a name without `multirun`.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    try:
        overrides = OverridesParser.create().parse_overrides(list(arguments))
    except OverrideParseException as error:
        raise SettingError(f"cannot read {error.override!r}: settings are given as name=value, as in lam=1") from None
    values = {o.key_or_group: _values(o) for o in overrides if not o.key_or_group.startswith("hydra")}
    for name, several in values.items():
        if len(several) > 1 and not multirun:
            raise SettingError(f"{name} has {len(several)} values: add --multirun to run them all")
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def _values(override: "Override") -> list[Any]:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Glob

    if not override.is_sweep_override():
        if override.type is None or override.type.name != "CHANGE":
            raise SettingError(f"{override.input_line!r}: settings are given as name=value, as in lam=1")
        return [override.value()]
    if isinstance(override.value(), Glob):
        raise SettingError(f"{override.input_line!r}: name the values, as in {override.key_or_group}=0,1")
    parser = OverridesParser.create()
    return [parser.parse_override(f"x={v}").value() for v in override.sweep_string_iterator()]
