"""What a server knows between rounds: immutable, and stored in a checkpoint as a dict of arrays and numbers."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Self, TypeVar

import numpy as np
import torch

from fedsparse.errors import RunError


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


S = TypeVar("S", bound=State)


def storable(value: Any) -> Any:
    """What a checkpoint holds, with Python's numbers in place of NumPy's, so that it can be read back.

    Raises:
        RunError: something in it is no tensor, number, text, dict, list or tuple.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(storable, value))
    if value is None or isinstance(value, torch.Tensor | bool | int | float | str | bytes):
        return value
    raise RunError(
        f"a checkpoint cannot hold a {type(value).__module__}.{type(value).__name__}: what an algorithm's state and "
        "clients' memory have are tensors, numbers and text, and dicts, lists and tuples of them"
    )


def unpacked(like: S, checkpoint: Mapping[str, Any]) -> S:
    """The state in a checkpoint, of the same kind as another one. Raises `RunError` if it is another version's."""
    packed = {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in checkpoint["state"].items()}
    newer = {f.name for f in fields(like) if f.default is not MISSING}  # earlier versions did not have these
    if set(packed) - newer != set(like.pack()) - newer:
        raise RunError("this run was begun by another version of fedsparse: choose another folder with out=")
    return type(like).unpack(packed)
