"""Which client holds which training image: every index goes to exactly one client, the same on every machine.

A random partition that leaves a client without images is drawn again a bounded number of times; one that is impossible
is refused with the reason.
"""

import zlib
from collections.abc import Iterator

import numpy as np

from fedsparse.errors import DataError
from fedsparse.experiment import Experiment
from fedsparse.own.names import is_own
from fedsparse.own.partition import own_split
from fedsparse.randomness import permutation, uniforms

TRIES = 1000
"""Draws of a partition before giving up."""


def split(labels: np.ndarray, experiment: Experiment) -> list[np.ndarray]:
    """Deal every index of `labels` to exactly one client, as the experiment's `partition` says.

    - `iid`: a uniform shuffle in equal parts; with `size_skew` = σ, in parts as exp(σ z), z standard normal.
    - `classes`: exactly `classes_per_client` classes per client. Every class has as many owners as any other, or one
      more; they share its images equally, or with `size_skew` as exp(σ z), one z per client.
    - `dirichlet`: the images of each class are shared among all clients by one draw of Dirichlet(α, …, α)
      (Yurochkin et al., ICML 2019), drawn again while a client is left with nothing.
    - `shards`: the images sorted by class in equal shards, `classes_per_client` of them for each client
      (McMahan et al., AISTATS 2017).

    Args:
        labels: class of each training image, shape (N,).
        experiment: its `partition`, `clients`, `seed` and the settings named above.

    Returns:
        One int64 index array per client, none empty, disjoint, together 0 … N−1.

    Raises:
        DataError: there is no such partition of these labels; the message says why, and which settings would work.
    """
    clients = experiment.clients
    if len(labels) < clients:
        raise DataError(f"{len(labels)} training images cannot be dealt to {clients} clients: each needs at least one")
    if is_own(experiment.partition):
        return own_split(labels, experiment)
    shuffled = permutation(len(labels), experiment.seed, "partition")
    return PARTITIONS[experiment.partition](labels, shuffled, experiment)


def label_counts(labels: np.ndarray, parts: list[np.ndarray], classes: int) -> np.ndarray:
    """How many images of each class each client holds, (clients, classes) int64."""
    return np.stack([np.bincount(labels[part], minlength=classes) for part in parts])


def _iid(labels: np.ndarray, shuffled: np.ndarray, experiment: Experiment) -> list[np.ndarray]:
    return _cut(shuffled, apportion(len(labels), _weights(experiment), least=1))


def _classes(labels: np.ndarray, shuffled: np.ndarray, experiment: Experiment) -> list[np.ndarray]:
    clients, each = experiment.clients, experiment.classes_per_client
    present, sizes = np.unique(labels, return_counts=True)
    if each > len(present):
        limit = f"there are {len(present)} classes in the training images"
        raise DataError(f"classes_per_client={each}: {limit}; ask for at most {len(present)}")
    if clients * each < len(present):
        too_few = f"{clients} clients of {each} classes each hold at most {clients * each} of {len(present)} classes"
        need = f"classes_per_client={-(-len(present) // clients)} or clients={-(-len(present) // each)}"
        raise DataError(f"{too_few}, and every class needs an owner: {need} would do")
    weights = _weights(experiment)
    for owners in _draws_of_owners(clients, len(present), experiment):
        if np.all(owners.sum(0) <= sizes):
            table = np.stack([_shared(n, weights, own) for n, own in zip(sizes, owners.T, strict=True)])
            return _dealt(labels, shuffled, table)
    owners_of_each = clients * each // len(present)
    short = f"class {present[sizes.argmin()]} has {sizes.min()} images for its {owners_of_each} owners or more"
    raise DataError(f"{short}, after {TRIES} draws: fewer clients, smaller classes_per_client or more images would do")


def _draws_of_owners(clients: int, classes: int, experiment: Experiment) -> Iterator[np.ndarray]:
    """(clients, classes) bool: each client in turn takes the classes with the fewest owners; ties are drawn."""
    for attempt in range(TRIES):
        lots = uniforms(clients * classes, experiment.seed, "owners", attempt).reshape(clients, classes)
        owners = np.zeros((clients, classes), bool)
        count = np.zeros(classes, np.int64)
        for row, lot in zip(owners, lots, strict=True):
            taken = np.lexsort((lot, count))[: experiment.classes_per_client]
            row[taken] = True
            count[taken] += 1
        yield owners


def _dirichlet(labels: np.ndarray, shuffled: np.ndarray, experiment: Experiment) -> list[np.ndarray]:
    clients, alpha = experiment.clients, experiment.alpha
    sizes = np.unique(labels, return_counts=True)[1]
    for attempt in range(TRIES):
        shares = _dirichlet_shares(len(sizes), clients, alpha, experiment.seed, attempt)
        table = np.stack([apportion(n, share) for n, share in zip(sizes, shares, strict=True)])
        if table.sum(0).min() > 0:
            return _dealt(labels, shuffled, table)
    failed = (
        f"partition=dirichlet with alpha={alpha:g} left one of {clients} clients with nothing in each of {TRIES} draws"
    )
    raise DataError(f"{failed}: a larger alpha or fewer clients would do")


def _dirichlet_shares(rows: int, columns: int, alpha: float, seed: int, attempt: int) -> np.ndarray:
    """`rows` draws of Dirichlet(α, …, α), (rows, columns), in logarithms: gamma draws of a small α underflow.

    Gamma(α) is Gamma(α + 1) · U^(1/α), and the former the inverse of its distribution function at a uniform.
    """
    from scipy.special import gammaincinv

    u, v = uniforms(2 * rows * columns, seed, "dirichlet", attempt).reshape(2, rows, columns)
    logs = np.log(gammaincinv(alpha + 1, u)) + np.log(v) / alpha
    shares = np.exp(logs - logs.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def _shards(labels: np.ndarray, shuffled: np.ndarray, experiment: Experiment) -> list[np.ndarray]:
    clients, each = experiment.clients, experiment.classes_per_client
    if clients * each > len(labels):
        most = len(labels) // clients
        raise DataError(
            f"{len(labels)} training images make no {clients * each} shards: at most classes_per_client={most} would do"
        )
    shards = np.array_split(_by_class(labels, shuffled), clients * each)
    order = permutation(clients * each, experiment.seed, "shards").reshape(clients, each)
    return [np.concatenate([shards[i] for i in own]) for own in order]


PARTITIONS = {"iid": _iid, "classes": _classes, "dirichlet": _dirichlet, "shards": _shards}


def apportion(total: int, weights: np.ndarray, least: int = 0) -> np.ndarray:
    """Whole numbers that add up to `total`, at least `least` each and beyond that in proportion to `weights`.

    Each is its exact share rounded down, and the largest remainders get one more (Hamilton's method); of equal
    remainders, the first.
    """
    spare = total - least * len(weights)
    exact = spare * (weights / weights.sum())
    numbers = np.floor(exact).astype(np.int64)
    numbers[np.argsort(numbers - exact, kind="stable")[: spare - numbers.sum()]] += 1
    return numbers + least


def _weights(experiment: Experiment) -> np.ndarray:
    """exp(σ z) per client, (clients,); ones for σ = 0."""
    from scipy.special import ndtri

    return np.exp(experiment.size_skew * ndtri(uniforms(experiment.clients, experiment.seed, "sizes")))


def _shared(total: int, weights: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """(clients,): `total` images among the owners, (clients,) bool, at least one each."""
    numbers = np.zeros(len(weights), np.int64)
    numbers[owners] = apportion(total, weights[owners], least=1)
    return numbers


def _by_class(labels: np.ndarray, shuffled: np.ndarray) -> np.ndarray:
    """All indices, class by class, shuffled within each."""
    return shuffled[np.argsort(labels[shuffled], kind="stable")]


def _cut(indices: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    return np.split(indices, np.cumsum(sizes)[:-1])


def _dealt(labels: np.ndarray, shuffled: np.ndarray, table: np.ndarray) -> list[np.ndarray]:
    """One index array per client, from (classes, clients) numbers of images."""
    pieces = _cut(_by_class(labels, shuffled), table.ravel())
    return [np.concatenate(pieces[k :: table.shape[1]]) for k in range(table.shape[1])]


def fingerprint(parts: list[np.ndarray], dataset: int) -> int:
    """A checksum of who holds which images: of the indices of every part, and where each part ends.

    Args:
        dataset: the fingerprint of the data set that was dealt.
    """
    ends = np.cumsum([len(part) for part in parts])
    numbers = np.concatenate([ends, *parts]).astype("<i8")
    return zlib.crc32(numbers.tobytes(), dataset)
