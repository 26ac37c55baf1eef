"""Images and labels that users bring: what an .npz must hold, in which form; and how to convert what is not taken."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fedsparse.errors import DataError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
TRAINING = ARRAYS[:2]
NUMBERED = "numpy.unique(y, return_inverse=True)[1] numbers them"


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
    objects = "holds Python objects in place of numbers (of texts, .astype(str) makes an array)"
    return objects if whole else "is cut off or damaged"


def checked(name: str, classes: int | None, *arrays: np.ndarray) -> list[np.ndarray]:
    """Images and labels, one split after the other, in one form: (N, C, H, W) uint8, and int64 in 0 … classes−1.

    Without a number of classes, every class has to occur.
    """
    images, labels = [], []
    for split, x, y in zip(("train", "test"), arrays[::2], arrays[1::2], strict=False):
        if x.dtype != np.uint8 or x.ndim not in (3, 4) or not len(x):
            raise DataError(
                f"{name}: x_{split} is {x.dtype} {x.shape}; images are uint8 (N, H, W) or (N, H, W, channels)"
                f"{_to_uint8(x) * (x.dtype != np.uint8)}"
            )
        if y.ndim != 1 or len(y) != len(x) or not np.issubdtype(y.dtype, np.integer):
            raise DataError(
                f"{name}: y_{split} is {y.dtype} {y.shape}; labels are {len(x)} whole numbers, one per image"
                f"{_to_labels(y)}"
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
    way = "" if classes else f"; {NUMBERED}"
    classes = classes or len(np.unique(labels[0]))
    if classes < 2:
        raise DataError(f"{name}: every image has label {labels[0][0]}; there must be two classes at least")
    for split, y in zip(("train", "test"), labels, strict=False):
        if y.min() < 0 or y.max() >= classes:
            bad = y.min() if y.min() < 0 else y.max()
            raise DataError(
                f"{name}: y_{split} has label {bad}; with {classes} classes labels are 0 to {classes - 1}{way}"
            )
    return [array for split in zip(images, labels, strict=True) for array in split]


def _to_uint8(x: np.ndarray) -> str:
    """How images of another type become uint8, if their range says it."""
    low, high = (x.min(), x.max()) if x.dtype.kind in "fui" and x.size else (-1, 0)
    if x.dtype.kind == "f" and low >= 0 and high <= 1:
        return "; floats from 0 to 1 become that by numpy.rint(255 * x).astype(numpy.uint8)"
    if low >= 0 and high <= 255:
        return "; values from 0 to 255 become that by numpy.rint(x).astype(numpy.uint8)"
    if low >= 0 and high <= 65535 and x.dtype.kind != "f":
        return "; values from 0 to 65535 become that by (x >> 8).astype(numpy.uint8)"
    return ""


def _to_labels(y: np.ndarray) -> str:
    """How labels of another type or shape become whole numbers, if it can be told."""
    if y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "fuib":
        return "; of one-hot rows, y.argmax(1) makes them"
    if y.dtype.kind in "US":
        return f"; {NUMBERED}"
    return "; y.astype(int) makes them whole" if y.dtype.kind in "fb" and np.array_equal(y, y.astype(int)) else ""


def check_tensors(part: str, x: Tensor, y: Tensor, train: Tensor, classes: int) -> None:
    """Raise `DataError` unless images and labels are as a `Dataset` has them; a part without images has no labels."""
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        kind = type(x if not isinstance(x, Tensor) else y).__name__
        raise DataError(f"x_{part} and y_{part} are tensors, not {kind}; torch.from_numpy makes them of arrays")
    if not len(x) and not len(y) and part != "train":
        return
    if x.dtype != torch.uint8 or x.ndim != 4 or x.shape[1:] != train.shape[1:] or not len(x):
        like = f", each of shape {tuple(train.shape[1:])}, as x_train" * (part != "train")
        said = f"{str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"
        raise DataError(f"x_{part} is {said}; images are uint8 (N, channels, height, width){like}")
    if y.dtype != torch.int64 or y.shape != x.shape[:1]:
        said = f"{str(y.dtype).removeprefix('torch.')} {tuple(y.shape)}"
        raise DataError(f"y_{part} is {said}; labels are int64, one for each of {len(x)} images")
    if y.min() < 0 or y.max() >= classes:
        raise DataError(
            f"y_{part} has labels from {y.min()} to {y.max()}; with {classes} classes they are 0 to {classes - 1}"
        )


def batch_of(images: Tensor | np.ndarray, shape: tuple[int, int, int], device: torch.device) -> Tensor:
    """A batch as a trained network takes it: uint8 as it is, floats as float32.

    Raises:
        DataError: no numbers, or images of another shape or scale.
    """
    try:
        images = np.ascontiguousarray(images) if isinstance(images, np.ndarray) else images
        images = torch.as_tensor(images, device=device)
    except (TypeError, ValueError, RuntimeError):
        raise DataError(f"images are a tensor or an array of numbers, not {type(images).__name__}") from None
    if tuple(images.shape[1:]) != shape:
        raise DataError(f"images are (batch, {', '.join(map(str, shape))}) for this network, not {tuple(images.shape)}")
    if images.dtype == torch.uint8:
        return images
    # The range belongs to the data, which are not there while the network is compiled or exported.
    known = not torch.compiler.is_compiling() and images.numel()
    if not images.is_floating_point() or (known and not images.abs().max() <= 1):
        raise DataError("images are uint8 from 0 to 255, or floats scaled to [-1, 1]")
    return images.float()
