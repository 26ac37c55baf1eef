"""Data sets as plain tensors: digits is embedded, others come through torchvision or from your own .npz."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedsparse.errors import DataError
from fedsparse.experiment import TORCHVISION_DATASETS, nearest
from fedsparse.randomness import permutation

CLASSES = {"digits": 10, "mnist": 10, "fashionmnist": 10, "kmnist": 10, "emnist": 47, "cifar10": 10, "cifar100": 100}
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class Dataset:
    """Images and labels, in memory once."""

    name: str
    x_train: Tensor
    """(N, channels, height, width) uint8."""
    y_train: Tensor
    """(N,) int64 in 0 … classes−1."""
    x_test: Tensor
    y_test: Tensor
    classes: int
    source: str
    """What it is, for captions: "real MNIST, 10,000 of 60,000 training images"."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: channels, height, width."""
        _, channels, height, width = self.x_train.shape
        return channels, height, width

    def fingerprint(self) -> int:
        """A checksum of every image and label."""
        checksum = 0
        for tensor in (self.x_train, self.y_train, self.x_test, self.y_test):
            checksum = zlib.crc32(tensor.numpy().tobytes(), checksum)
        return checksum


def load(name: str, root: str | Path = "data", train_size: int = 0, seed: int = 0) -> Dataset:
    """A data set by name.

    `digits` comes with scikit-learn: 1,797 handwritten digits of 8×8 pixels, every fifth one held out for testing. Any
    other name is first looked for as `<root>/<name>.npz` (x_train, y_train, x_test, y_test; images uint8, (N, H, W) or
    (N, H, W, channels)), then among torchvision's sets, which are downloaded to `root` if they are not there.

    Args:
        train_size: training images to keep, a uniform draw by `seed`; 0 keeps all.

    Raises:
        DataError: no such set, a file that is damaged or does not hold what it should, a failed download; the message
            says which file belongs where.
    """
    root = Path(root).expanduser()
    file = root / f"{name}.npz"
    if name == "digits":
        arrays, source = _digits(), "scikit-learn digits, 1,797 images"
    elif file.exists():
        arrays, source = _npz(file), f"{name} from {file.name}"
    elif name in TORCHVISION_DATASETS:
        arrays, source = _torchvision(name, root), f"real {name.upper()}"
    else:
        known = [*CLASSES, *sorted(p.stem for p in root.glob("*.npz"))]
        raise DataError(f"dataset={name!r}: no {file}, and not one of {', '.join(known)}{nearest(name.lower(), known)}")
    x_train, y_train, x_test, y_test = _checked(name, CLASSES.get(name), *arrays)
    classes = CLASSES.get(name) or int(y_train.max()) + 1
    total = len(y_train)
    if train_size > total:
        raise DataError(f"train_size={train_size}: {name} has {total} training images")
    if train_size:
        chosen = np.sort(permutation(total, seed, "subset")[:train_size])
        x_train, y_train = x_train[chosen], y_train[chosen]
        source += f", {train_size:,} of {total:,} training images"
    tensors = {a: torch.from_numpy(v) for a, v in zip(ARRAYS, (x_train, y_train, x_test, y_test), strict=True)}
    return Dataset(name, **tensors, classes=classes, source=source)


def load_file(file: Path, classes: int) -> Dataset:
    """A site's own data: an .npz as in `load`, whose labels are below `classes`; not every class has to occur.

    Raises:
        DataError: no such file, or one that does not hold what it should.
    """
    if not file.exists():
        raise DataError(f"no {file}: it must hold {', '.join(ARRAYS)}")
    arrays = _checked(file.stem, classes, *_npz(file))
    tensors = {a: torch.from_numpy(v) for a, v in zip(ARRAYS, arrays, strict=True)}
    return Dataset(file.stem, **tensors, classes=classes, source=f"{file.stem} from {file.name}")


def _digits() -> list[np.ndarray]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    test = np.arange(len(images)) % 5 == 4
    return [images[~test], bunch.target[~test], images[test], bunch.target[test]]


def _npz(file: Path) -> list[np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            missing = [a for a in ARRAYS if a not in arrays]
            if not missing:
                return [arrays[a] for a in ARRAYS]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file} is damaged, or not an npz file ({error}); make it again with numpy.savez") from None
    raise DataError(f"{file} has no {', '.join(missing)}; it must hold {', '.join(ARRAYS)}")


def _torchvision(name: str, root: Path) -> list[np.ndarray]:
    from torchvision import datasets

    cls = {
        c.lower(): getattr(datasets, c) for c in ("MNIST", "FashionMNIST", "KMNIST", "EMNIST", "CIFAR10", "CIFAR100")
    }
    options = {"split": "balanced"} if name == "emnist" else {}
    arrays: list[np.ndarray] = []
    for train in (True, False):
        try:
            part = cls[name](root, train=train, download=True, **options)
        except (OSError, RuntimeError, EOFError, zlib.error) as error:
            raise DataError(
                f"could not load or download {name} ({_one_line(error)}); {_by_hand(cls[name], root)}"
            ) from None
        arrays += [np.asarray(part.data), np.asarray(part.targets)]
    return arrays


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _by_hand(cls: Any, root: Path) -> str:
    """Which file belongs where, for a machine without a network."""
    if hasattr(cls, "filename"):  # CIFAR
        names, folder = [cls.filename], root
    else:  # MNIST and its kin, of which EMNIST is one archive
        urls = [cls.url] if hasattr(cls, "url") else [url for url, _ in cls.resources]
        names, folder = [Path(url).name for url in urls], root / cls.__name__ / "raw"
    return f"put {', '.join(names)} into {folder}, or {', '.join(ARRAYS)} into {root / (cls.__name__.lower() + '.npz')}"


def _checked(name: str, classes: int | None, x_train, y_train, x_test, y_test) -> list[np.ndarray]:
    """The four arrays in one form: images (N, C, H, W) uint8, labels int64 in 0 … classes−1.

    Without a number of classes, every class has to occur.
    """
    images, labels = [], []
    for split, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        if x.dtype != np.uint8 or x.ndim not in (3, 4) or not len(x):
            raise DataError(
                f"{name}: x_{split} is {x.dtype} {x.shape}; images are uint8 (N, H, W) or (N, H, W, channels)"
            )
        if y.ndim != 1 or len(y) != len(x) or not np.issubdtype(y.dtype, np.integer):
            raise DataError(
                f"{name}: y_{split} is {y.dtype} {y.shape}; labels are {len(x)} whole numbers, one per image"
            )
        if x.ndim == 4 and x.shape[-1] > 4:
            raise DataError(
                f"{name}: x_{split} is {x.shape}; channels, at most 4 of them, come last: (N, H, W, channels)"
            )
        images.append(np.ascontiguousarray(x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)))
        labels.append(y.astype(np.int64))
    if images[0].shape[1:] != images[1].shape[1:]:
        raise DataError(f"{name}: training images are {images[0].shape[1:]}, test images {images[1].shape[1:]}")
    classes = classes or len(np.unique(labels[0]))
    for split, y in zip(("train", "test"), labels, strict=True):
        if y.min() < 0 or y.max() >= classes:
            bad = y.min() if y.min() < 0 else y.max()
            raise DataError(f"{name}: y_{split} has label {bad}; with {classes} classes labels are 0 to {classes - 1}")
    return [images[0], labels[0], images[1], labels[1]]
