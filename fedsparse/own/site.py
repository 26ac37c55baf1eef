"""Training data that lie at one site of a real federation."""

import os
from pathlib import Path

import torch

from fedsparse.data import Dataset
from fedsparse.errors import DataError
from fedsparse.own.arrays import TRAINING, checked, npz


def load_file(file: Path, classes: int) -> Dataset:
    """An .npz as in `data.load`, whose labels are below `classes`; not every class has to occur.

    The test set is empty: no site is asked for one, and what the file holds of it is not read.

    Raises:
        DataError: no such file, or one that does not hold what it should.
    """
    file = Path(os.path.expanduser(file))
    if not os.path.exists(file):  # Path's own raises where it may not look
        raise DataError(f"no {file}: it must hold {', '.join(TRAINING)}")
    x, y = map(torch.from_numpy, checked(file.stem, classes, *npz(file, TRAINING)))
    return Dataset(file.stem, x, y, x[:0], y[:0], classes, f"{file.stem} from {file.name}")
