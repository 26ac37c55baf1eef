"""Who holds which training image: pure functions from labels to one index array a client."""

import numpy as np

from fedsparse.errors import DataError
from fedsparse.randomness import permutation


def split(kind: str, labels: np.ndarray, clients: int, seed: int) -> list[np.ndarray]:
    """Deal every index of `labels` to exactly one client.

    Args:
        kind: `"iid"`: a uniform shuffle in equal parts, sizes differ by at most one.
        labels: class of each training image, shape (N,).
        clients: number of parts.
        seed: of the shuffle.

    Returns:
        `clients` int64 index arrays, disjoint, together 0 … N−1.

    Raises:
        DataError: fewer images than clients, or an unknown kind.
    """
    if len(labels) < clients:
        raise DataError(f"{len(labels)} training images cannot be dealt to {clients} clients: each needs at least one")
    if kind == "iid":
        return np.array_split(permutation(len(labels), seed, "partition"), clients)
    raise DataError(f"no partition {kind!r}; there is iid")
