"""Images and labels that users bring: what an .npz must hold, in which form; and how to convert what is not taken."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fedsparse.errors import DataError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
TRAINING = ARRAYS[:2]
IMAGES = {
    "f": "floats from 0 to 1 become that by numpy.rint(255 * x).astype(numpy.uint8)",
    "u": "{} from 0 to 65535 becomes that by (x >> 8).astype(numpy.uint8)",
}
LABELS = {
    "U": "numpy.unique(y, return_inverse=True)[1] numbers them",
    "S": "numpy.unique(y, return_inverse=True)[1] numbers them",
    "f": "y.astype(int) makes them whole",
    "b": "y.astype(int) makes them whole",
}
"""How to convert images and labels that are not taken, by the kind of their NumPy type."""


def npz(file: Path, names: Sequence[str] = ARRAYS) -> list[np.ndarray]:
    """The named arrays of an .npz file, in that order, as they are: `checked` says whether they will do.

    Raises:
        DataError: the file cannot be read, is no .npz, holds Python objects, or lacks an array.
    """
    must = f"it must hold {', '.join(names)}, as numpy.savez writes them"
    try:
        with np.load(file, allow_pickle=False) as arrays:
            missing = [name for name in names if name not in arrays]
            found = [np.asarray(arrays[name]) for name in names if name not in missing]
    except Exception as error:  # whatever is raised, the file says more
        raise DataError(f"{file} {_flaw(file, error)}; {must}") from None
    if missing:
        raise DataError(f"{file} has no {', '.join(missing)}; {must}")
    return found


def _flaw(file: Path, error: Exception) -> str:
    """What is wrong with a file that does not load as an npz."""
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    try:
        with open(file, "rb") as opened:
            head = opened.read(12)
    except OSError as unreadable:
        return f"cannot be read ({unreadable.strerror})"
    if head.startswith(b"\x93NUMPY"):
        return "holds one array, as numpy.save writes it"
    if not head.startswith(b"PK"):
        return f"is no npz file: it begins with {head.decode('latin1')!r}" if head else "is empty"
    try:
        with zipfile.ZipFile(file) as archive:
            whole = archive.testzip() is None
    except Exception:  # as many kinds as there are ways to damage it
        whole = False
    return "holds Python objects in place of numbers" if whole else "is cut off or damaged"


def checked(name: str, classes: int | None, *arrays: np.ndarray) -> list[np.ndarray]:
    """Images and labels, one split after the other, in one form: (N, C, H, W) uint8, and int64 in 0 … classes−1.

    Without a number of classes, every class has to occur.
    """
    images, labels = [], []
    for split, x, y in zip(("train", "test"), arrays[::2], arrays[1::2], strict=False):
        if x.dtype != np.uint8 or x.ndim not in (3, 4) or not len(x):
            raise DataError(
                f"{name}: x_{split} is {x.dtype} {x.shape}; images are uint8 (N, H, W) or (N, H, W, channels)"
                f"{_way(IMAGES, x) * (x.dtype != np.uint8)}"
            )
        if y.ndim != 1 or len(y) != len(x) or not np.issubdtype(y.dtype, np.integer):
            raise DataError(
                f"{name}: y_{split} is {y.dtype} {y.shape}; labels are {len(x)} whole numbers, one per image"
                f"{_way(LABELS, y)}"
            )
        if x.ndim == 4 and x.shape[-1] > 4:
            turn = f"; x_{split}.transpose(0, 2, 3, 1) makes it so" * (x.shape[1] <= 4)
            raise DataError(
                f"{name}: x_{split} is {x.shape}; channels, at most 4 of them, come last: (N, H, W, channels){turn}"
            )
        images.append(np.ascontiguousarray(x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)))
        labels.append(y.astype(np.int64))
    if images[0].shape[1:] != images[-1].shape[1:]:
        raise DataError(f"{name}: training images are {images[0].shape[1:]}, test images {images[1].shape[1:]}")
    classes = classes or len(np.unique(labels[0]))
    if classes < 2:
        raise DataError(f"{name}: every image has label {labels[0][0]}; there must be two classes at least")
    for split, y in zip(("train", "test"), labels, strict=False):
        if y.min() < 0 or y.max() >= classes:
            bad = y.min() if y.min() < 0 else y.max()
            raise DataError(f"{name}: y_{split} has label {bad}; with {classes} classes labels are 0 to {classes - 1}")
    return [array for split in zip(images, labels, strict=True) for array in split]


def _way(ways: Mapping[str, str], array: np.ndarray) -> str:
    """How an array of a kind that is not taken can be converted, if it can."""
    return f"; {ways[array.dtype.kind].format(array.dtype)}" if array.dtype.kind in ways else ""
