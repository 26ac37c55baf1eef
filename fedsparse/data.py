"""Data sets as plain tensors: digits is embedded, others come through torchvision or from your own .npz."""

import math
import os
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedsparse.errors import DataError, one_line
from fedsparse.experiment import TORCHVISION_DATASETS, Experiment
from fedsparse.own.arrays import ARRAYS, check_tensors, checked, npz
from fedsparse.randomness import permutation
from fedsparse.setting import nearest

CLASSES = {"digits": 10, "mnist": 10, "fashionmnist": 10, "kmnist": 10, "emnist": 47, "cifar10": 10, "cifar100": 100}
EMNIST_PARTS = ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")


@dataclass(frozen=True)
class Dataset:
    """Images and labels, in memory once. Raises `DataError` if they are not of the types and shapes that follow."""

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
    x_val: Tensor = field(default_factory=lambda: torch.empty(0))
    """Training images that are held out; (0,) if there are none, as are their labels."""
    y_val: Tensor = field(default_factory=lambda: torch.empty(0))

    def __post_init__(self) -> None:
        for part in ("train", "test", "val"):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            check_tensors(part, x, y, self.x_train, self.classes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: channels, height, width."""
        _, channels, height, width = self.x_train.shape
        return channels, height, width

    def fingerprint(self) -> int:
        """A checksum of every image and label, and of how many pixels and classes there are."""
        return zlib.crc32(repr((self.shape, self.classes)).encode(), self.checksum())

    def checksum(self) -> int:
        """A checksum of every image and label, whatever the shape of an image; what earlier versions kept of a run."""
        checksum = 0
        for tensor in (self.x_train, self.y_train, self.x_test, self.y_test, self.x_val, self.y_val):
            checksum = zlib.crc32(tensor.numpy().tobytes(), checksum)
        return checksum


def load(name: str, root: str | Path = "data", train_size: int = 0, seed: int = 0, validation: float = 0.0) -> Dataset:
    """A data set by name.

    `digits` comes with scikit-learn: 1,797 handwritten digits of 8×8 pixels, every fifth one held out for testing. Any
    other name is first looked for as `<root>/<name>.npz` (x_train, y_train, x_test, y_test; images uint8, (N, H, W) or
    (N, H, W, channels)), then among torchvision's sets, which are downloaded to `root` if they are not there.

    Args:
        train_size: training images to keep, a uniform draw by `seed`; 0 keeps all.
        validation: share of these that is held out by `seed` in place of being trained on, rounded up.

    Raises:
        DataError: no such set, a file that is damaged or does not hold what it should, a failed download; the message
            says which file belongs where.
    """
    root = Path(os.path.expanduser(root))
    file = root / f"{name}.npz"
    there = os.path.exists(file)
    if name == "digits" and there:
        raise DataError(f"{file} has the name of the set that comes with scikit-learn: rename it to use it")
    if name == "digits":
        arrays, source = _digits(), "scikit-learn digits, 1,797 images"
    elif there:
        arrays, source = npz(file), f"{name} from {file.name}"
    elif name in TORCHVISION_DATASETS:
        arrays, source = _torchvision(name, root), f"real {name.upper()}"
    else:
        known = [*CLASSES, *sorted({p.stem for p in root.glob("*.npz")} - set(CLASSES))]
        raise DataError(f"dataset={name!r}: no {file}, and not one of {', '.join(known)}{nearest(name.lower(), known)}")
    x_train, y_train, x_test, y_test = checked(name, CLASSES.get(name), *arrays)
    classes = CLASSES.get(name) or int(y_train.max()) + 1
    total = len(y_train)
    if train_size > total:
        raise DataError(f"train_size={train_size}: {name} has {total} training images")
    if train_size:
        chosen = np.sort(permutation(total, seed, "subset")[:train_size])
        x_train, y_train = x_train[chosen], y_train[chosen]
        source += f", {train_size:,} of {total:,} training images"
    tensors = {a: torch.from_numpy(v) for a, v in zip(ARRAYS, (x_train, y_train, x_test, y_test), strict=True)}
    whole = Dataset(name, **tensors, classes=classes, source=source)
    return _held_out(whole, math.ceil(validation * len(y_train)), seed) if validation else whole


def load_for(experiment: Experiment, root: str | Path | None = None) -> Dataset:
    """The data of an experiment; from another root than its own, if one is given. Raises `DataError` as `load`."""
    e = experiment
    return load(e.dataset, e.data_root if root is None else root, e.train_size, e.seed, e.validation)


def _held_out(whole: Dataset, size: int, seed: int) -> Dataset:
    """With `size` of the training images held out for validation: a uniform draw by seed."""
    drawn = torch.from_numpy(permutation(len(whole.y_train), seed, "validation"))
    out, kept = drawn[:size].sort().values, drawn[size:].sort().values
    if not len(kept):
        raise DataError(f"validation leaves no training image of {len(drawn)}: take a smaller share")
    return replace(
        whole,
        x_train=whole.x_train[kept],
        y_train=whole.y_train[kept],
        x_val=whole.x_train[out],
        y_val=whole.y_train[out],
        source=f"{whole.source}, {size:,} of them held out for validation",
    )


def _digits() -> list[np.ndarray]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    test = np.arange(len(images)) % 5 == 4
    return [images[~test], bunch.target[~test], images[test], bunch.target[test]]


def _torchvision(name: str, root: Path) -> list[np.ndarray]:
    from torchvision import datasets

    cls = {
        c.lower(): getattr(datasets, c) for c in ("MNIST", "FashionMNIST", "KMNIST", "EMNIST", "CIFAR10", "CIFAR100")
    }[name]
    options = {"split": "balanced"} if name == "emnist" else {}
    arrays: list[np.ndarray] = []
    for train in (True, False):
        try:
            part = cls(root, train=train, download=True, **options)
            arrays += [np.asarray(part.data), np.asarray(part.targets)]
        except Exception as error:  # on damaged files torchvision raises almost anything
            raise DataError(f"could not load or download {name} ({one_line(error)}); {_advice(cls, root)}") from None
    return arrays


def _advice(cls: Any, root: Path) -> str:
    """Why the files that are there are not taken, or, for a machine without a network, which file belongs where."""
    from torchvision.datasets.utils import check_md5

    folder, unpacked = root / cls.__name__ / "raw", []
    if hasattr(cls, "filename"):  # CIFAR
        folder, packed = root, {cls.filename: cls.tgz_md5}
    elif hasattr(cls, "url"):  # EMNIST, one archive of every split
        packed = {Path(cls.url).name: cls.md5}
        unpacked = [f"emnist-balanced-{part}-ubyte" for part in EMNIST_PARTS]
    else:
        packed = {Path(url).name: md5 for url, md5 in cls.resources}
        unpacked = [name.removesuffix(".gz") for name in packed]
    if unpacked and all((folder / name).is_file() for name in unpacked):
        return f"{', '.join(unpacked)} in {folder} are damaged: remove them"
    if other := [
        name for name, md5 in packed.items() if (folder / name).is_file() and not check_md5(folder / name, md5)
    ]:
        way = f"; unpacked into this folder, {', '.join(unpacked)} are taken without one" if unpacked else ""
        return f"in {folder}, {', '.join(other)} lies with another checksum than torchvision's{way}"
    own = root / f"{cls.__name__.lower()}.npz"
    return f"put {', '.join(packed)} into {folder}, or {', '.join(ARRAYS)} into {own}"
