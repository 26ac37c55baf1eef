"""What a server knows between rounds: immutable, and stored in a checkpoint as a dict of arrays and numbers."""

from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, eq=False)
class State:
    """The base of every algorithm's state."""

    round: int
    """Rounds that are done."""

    def pack(self) -> dict[str, Any]:
        """Arrays and numbers by name, for a checkpoint."""
        return dict(vars(self))

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Self:
        """The inverse of `pack`. Raises `TypeError`, `KeyError` or `MessageError` for another state's dict."""
        return cls(**packed)
