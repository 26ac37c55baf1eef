"""Partitions: every index once, exactly what was asked for, the same everywhere; the impossible is refused and why."""

import hashlib

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fedsparse import DataError, Experiment, SettingError
from fedsparse.partition import PARTITIONS, apportion, label_counts, split
from fedsparse.randomness import permutation


def labels_of(*sizes: int) -> np.ndarray:
    """As many images of each class as given, in an order of no meaning."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return labels[permutation(len(labels), 5, "test")]


def parts_of(labels: np.ndarray, **options) -> list[np.ndarray]:
    parts = split(labels, Experiment(**options))
    assert len(parts) == Experiment(**options).clients
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels))), "every index, once"
    assert min(map(len, parts)) > 0
    return parts


def table_of(labels: np.ndarray, **options) -> np.ndarray:
    return label_counts(labels, parts_of(labels, **options), labels.max() + 1)


seeds = st.integers(0, 2**63 - 1)


@given(st.integers(1, 300), st.integers(1, 50), seeds, st.sampled_from([0.0, 0.0, 1.0, 5.0]))
@settings(deadline=None)
def test_iid_deals_every_index_once_in_parts_that_are_equal_unless_skewed(images, clients, seed, skew):
    labels = np.zeros(images, np.int64)
    if images < clients:
        with pytest.raises(DataError, match="at least one"):
            split(labels, Experiment(clients=clients, seed=seed, size_skew=skew))
        return
    parts = parts_of(labels, clients=clients, seed=seed, size_skew=skew)
    if not skew:
        sizes = [len(p) for p in parts]
        assert max(sizes) - min(sizes) <= 1
        whole = np.array_split(permutation(images, seed, "partition"), clients)
        assert all(np.array_equal(a, b) for a, b in zip(parts, whole, strict=True))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 30), st.integers(1, 13), seeds, st.data())
@settings(deadline=None, max_examples=200)
def test_classes_gives_exactly_c_classes_each_and_every_class_as_many_owners(sizes, clients, each, seed, data):
    labels, skew = labels_of(*sizes), data.draw(st.sampled_from([0.0, 2.0]))
    options = {"partition": "classes", "clients": clients, "classes_per_client": each, "seed": seed, "size_skew": skew}
    # What must be possible: a draw exists whenever the fullest class that has few images may be one of the lesser.
    least = clients * each // len(sizes)
    enough = sum(s > least for s in sizes) >= clients * each % len(sizes) and min(sizes) >= least
    if each > len(sizes) or clients * each < len(sizes) or clients > sum(sizes) or not enough:
        with pytest.raises(DataError):
            split(labels, Experiment(**options))
        return
    assume(min(sizes) > least)  # otherwise it may take luck
    table = table_of(labels, **options)
    assert np.all((table > 0).sum(1) == each)
    owners = (table > 0).sum(0)
    assert owners.max() - owners.min() <= 1
    if not skew:
        for column in table.T:
            assert np.ptp(column[column > 0]) <= 1


def test_ties_are_drawn_again_until_a_small_class_has_few_owners():
    # 16 places for 3 classes: one of them has 6 owners, which must not be the one that has 5 images.
    for seed in range(10):
        table = table_of(labels_of(100, 100, 5), partition="classes", clients=8, classes_per_client=2, seed=seed)
        assert (table[:, 2] == 1).sum() == 5


def test_one_class_a_client_and_all_classes_a_client():
    labels = labels_of(30, 30, 30)
    assert np.array_equal(
        np.sort(table_of(labels, partition="classes", clients=3, classes_per_client=1)), [[0, 0, 30]] * 3
    )
    assert np.all(table_of(labels, partition="classes", clients=3, classes_per_client=3) == 10)


@given(st.floats(0.01, 100), st.integers(1, 12), seeds)
@settings(deadline=None, max_examples=60)
def test_dirichlet_deals_every_index_once_or_says_that_it_cannot(alpha, clients, seed):
    labels = labels_of(40, 40, 40, 40)
    options = {"partition": "dirichlet", "alpha": alpha, "clients": clients, "seed": seed}
    parts, refused = [], ""
    try:
        parts = split(labels, Experiment(**options))
    except DataError as error:
        refused = str(error)
    if refused:
        assert alpha <= 1 < clients, "refused where a draw was to be had"
        assert f"alpha={alpha:g} left one of {clients} clients with nothing in each of 1000 draws" in refused
        return
    assert len(parts) == clients
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels))), "every index, once"
    assert min(map(len, parts)) > 0, "nobody is left with nothing"


def test_dirichlet_is_a_class_to_a_client_at_one_end_and_iid_at_the_other():
    labels = labels_of(*[1000] * 10)
    near = table_of(labels, partition="dirichlet", alpha=100, clients=5) / 1000
    assert np.abs(near - 0.2).max() < 0.1
    far = table_of(labels, partition="dirichlet", alpha=0.01, clients=2) / 1000
    assert np.median(far.max(0)) > 0.999


def test_shares_have_the_moments_of_the_dirichlet_distribution():
    from fedsparse.partition import _dirichlet_shares

    # Dir(α, …, α) over K: mean 1/K, variance (K − 1) / (K² (Kα + 1)).
    for alpha in (0.01, 0.5, 20.0):
        shares = _dirichlet_shares(20_000, 4, alpha, seed=1, attempt=0)
        assert np.allclose(shares.sum(1), 1)
        assert np.allclose(shares.mean(0), 0.25, atol=0.015)
        assert np.allclose(shares.var(0), 3 / 16 / (4 * alpha + 1), rtol=0.06)


def test_sizes_are_log_normal():
    sizes = table_of(labels_of(100_000), clients=1000, size_skew=0.8, seed=2).sum(1)
    assert np.log(sizes).std() == pytest.approx(0.8, rel=0.1)


@given(st.integers(1, 12), st.integers(1, 5), seeds)
@settings(deadline=None)
def test_shards_are_equal_pieces_of_the_images_sorted_by_class(clients, each, seed):
    labels = labels_of(13, 20, 27)
    parts = parts_of(labels, partition="shards", clients=clients, classes_per_client=each, seed=seed)
    sizes = [len(p) for p in parts]
    assert max(sizes) - min(sizes) <= each
    # Cut into K·c pieces, a sorted list changes class at most 2 times: so many pieces at most hold two classes or more.
    assert sum((row > 0).sum() for row in label_counts(labels, parts, 3)) <= clients * each + 2


def test_shards_of_one_class_each_by_hand():
    # 6 classes of 10 in 6 shards: a shard is a class, two a client.
    table = table_of(labels_of(*[10] * 6), partition="shards", clients=3, classes_per_client=2)
    assert np.array_equal(np.sort(table), [[0, 0, 0, 0, 10, 10]] * 3)
    assert np.array_equal(table.sum(0), [10] * 6)


def test_whole_numbers_are_apportioned_by_largest_remainder():
    # 10 · (.5, .3, .2) is exact; 7 · (.5, .3, .2) = 3.5, 2.1, 1.4 leaves one, for the first.
    weights = np.array([5.0, 3.0, 2.0])
    assert apportion(10, weights).tolist() == [5, 3, 2]
    assert apportion(7, weights).tolist() == [4, 2, 1]
    assert apportion(5, np.ones(3)).tolist() == [2, 2, 1]
    assert apportion(5, np.array([1.0, 1e-9, 1e-9]), least=1).tolist() == [3, 1, 1]


@given(st.integers(0, 5000), st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=40), st.integers(0, 2))
def test_what_is_apportioned_adds_up(total, weights, least):
    assume(total >= least * len(weights))
    numbers = apportion(total, np.array(weights), least)
    assert numbers.sum() == total
    assert numbers.min() >= least


@pytest.mark.parametrize("partition", PARTITIONS)
def test_a_partition_follows_from_its_seed_alone(partition):
    labels = labels_of(*[30] * 10)
    one, same, other = (parts_of(labels, partition=partition, seed=s) for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


PINNED = {
    "iid": "f20ea835f49d0dd0",
    "classes": "d9b00e4d2d705e88",
    "dirichlet": "aaa3f7831edda123",
    "shards": "e7ab82706484825c",
}


@pytest.mark.parametrize("partition", PARTITIONS)
def test_a_partition_is_the_same_on_every_machine(partition):
    skew = 0.5 if partition in ("iid", "classes") else 0.0
    parts = parts_of(labels_of(*[30] * 10), partition=partition, seed=7, size_skew=skew)
    content = b"/".join(p.astype("<i8").tobytes() for p in parts)
    assert hashlib.blake2b(content, digest_size=8).hexdigest() == PINNED[partition]


@pytest.mark.parametrize(
    ("sizes", "options", "words"),
    [
        ([20] * 4, {"partition": "classes", "classes_per_client": 5}, ["5", "4 classes", "at most 4"]),
        ([20] * 4, {"partition": "classes", "clients": 3, "classes_per_client": 1}, ["3 of 4 classes", "clients=4"]),
        ([20] * 9, {"partition": "classes", "clients": 2, "classes_per_client": 2}, ["classes_per_client=5"]),
        ([90, 3], {"partition": "classes", "clients": 10, "classes_per_client": 1}, ["class 1 has 3", "5 owners"]),
        ([3, 3], {"partition": "classes", "clients": 10}, ["6 training images", "10 clients"]),
        ([9, 9], {"partition": "dirichlet", "clients": 18, "alpha": 0.01}, ["alpha=0.01", "18 clients", "1000 draws"]),
        ([9, 9], {"partition": "shards", "clients": 5, "classes_per_client": 4}, ["20 shards", "classes_per_client=3"]),
    ],
)
def test_what_cannot_be_dealt_is_refused_in_one_line_with_the_reason(sizes, options, words):
    with pytest.raises(DataError) as error:
        split(labels_of(*sizes), Experiment(**options))
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("partition", ["dirichlet", "shards"])
def test_unequal_sizes_are_refused_where_they_mean_nothing(partition):
    with pytest.raises(SettingError, match=f"size_skew=1.0 would have no effect: .* not to {partition}"):
        Experiment(partition=partition, size_skew=1)


def test_classes_that_no_training_image_has_are_left_out():
    labels = labels_of(20, 0, 20)
    table = table_of(labels, partition="classes", clients=2, classes_per_client=1)
    assert np.array_equal(table.sum(0), [20, 0, 20])
