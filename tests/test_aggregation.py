"""Cohorts and aggregation: order does not matter, memory does not grow, posteriors are what Beta says."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsparse import MessageError
from fedsparse.aggregation import MaskAggregator, collect, means
from fedsparse.models import Layout
from fedsparse.population import sample_cohort
from fedsparse.theta import Theta, Votes
from fedsparse.wire import masks
from fedsparse.wire.frame import claim_of
from fedsparse.wire.masks import MaskBroadcast, Report

LAYOUT = Layout(((20, 9),))


def broadcast(layout: Layout = LAYOUT) -> MaskBroadcast:
    half = Theta(np.ones(layout.n, np.uint8), 2, 0.01)
    return masks.decode_theta(masks.encode_theta(half, 1, layout), layout)


def update(mask: np.ndarray, client: int, samples: int = 1, to: MaskBroadcast | None = None) -> bytes:
    return masks.encode_mask(mask.astype(np.uint8), Report(client, samples, 0.1 * client, 0.01), to or broadcast())


def some_masks(count: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((count, LAYOUT.n)) < 0.3).astype(np.uint8)


def aggregated(updates, **options) -> MaskAggregator:
    """Updates of `update`, each from the client that it says it is."""
    aggregator = MaskAggregator(broadcast(), **options)
    for message in updates:
        aggregator.add(claim_of(message)[0], message)
    return aggregator


def test_the_mean_is_the_mean_exactly():
    sent = some_masks(7)
    theta = aggregated(update(m, k) for k, m in enumerate(sent)).votes().theta(clip=0)
    assert theta.max_level == 7
    assert np.array_equal(theta.levels, sent.sum(0))
    assert np.allclose(theta.probabilities(), sent.mean(0))


def test_the_weighted_mean_counts_samples():
    sent, samples = some_masks(3), [10, 20, 40]
    votes = aggregated((update(m, k, samples[k]) for k, m in enumerate(sent)), weighted=True).votes()
    assert votes.total == 7, "weights are reduced to smallest terms"
    assert np.allclose(votes.theta(0).probabilities(), np.average(sent, axis=0, weights=samples))


@given(st.permutations(range(6)), st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_order_of_arrival_changes_nothing(order, weighted):
    sent = [update(m, k, samples=k + 1) for k, m in enumerate(some_masks(6))]
    first, second = (aggregated((sent[i] for i in o), weighted=weighted) for o in (range(6), order))
    assert np.array_equal(first.votes().ones, second.votes().ones)
    assert means(first.measures) == means(second.measures), "to the last bit"


@given(st.lists(st.integers(0, 3), min_size=9, max_size=9), st.booleans(), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_tree_of_aggregators_ends_as_one(branch, weighted, keep):
    """Nine masks dealt to four aggregators in any way, some perhaps empty; merged from the left and from the right."""
    sent = [update(m, k, samples=k + 1) for k, m in enumerate(some_masks(9))]
    before = Votes(some_masks(5, seed=1).sum(0), 5) if keep else None
    whole = aggregated(sent, weighted=weighted, previous=before)
    for order in (range(4), range(3, -1, -1)):
        root = MaskAggregator(broadcast(), weighted=weighted, previous=before)
        for leaf in order:
            root.merge(aggregated((u for u, b in zip(sent, branch, strict=True) if b == leaf), weighted=weighted))
        assert np.array_equal(root.votes().ones, whole.votes().ones)
        assert root.votes().total == whole.votes().total
        assert means(root.measures) == means(whole.measures), "to the last bit"


def test_aggregators_that_do_not_belong_together_are_not_merged():
    root, ones = aggregated([update(some_masks(1)[0], 0)]), some_masks(1)[0].astype(np.int64)
    half = Theta(np.ones(LAYOUT.n, np.uint8), 2, 0.01)
    next_round = masks.decode_theta(masks.encode_theta(half, 2, LAYOUT), LAYOUT)
    for other, words in (
        (aggregated([update(some_masks(2)[1], 1), update(some_masks(2)[1], 0)]), "client 0 is in both"),
        (MaskAggregator(next_round), "another θ"),
    ):
        with pytest.raises(MessageError, match=words):
            root.merge(other)
        assert np.array_equal(root.ones, ones)
        assert list(root.weights) == [0]
        assert len(root.measures) == 1


def test_beta_is_the_mode_of_the_posterior_over_the_rounds_since_the_reset():
    one, two = some_masks(4, seed=1), some_masks(4, seed=2)
    before = aggregated(update(m, k) for k, m in enumerate(one)).votes()
    votes = aggregated((update(m, k) for k, m in enumerate(two)), previous=before).votes()
    alpha = 1 + one.sum(0) + two.sum(0)
    beta = 1 + (1 - one).sum(0) + (1 - two).sum(0)
    assert np.allclose(votes.theta(0).probabilities(), (alpha - 1) / (alpha + beta - 2))
    alone = aggregated((update(m, k) for k, m in enumerate(two)), previous=None).votes()
    assert np.allclose(alone.theta(0).probabilities(), two.mean(0)), "with a reset it is the plain mean"


@given(st.integers(256, 10**9), st.integers(0, 2**32 - 1))
def test_many_votes_are_rounded_to_the_nearest_of_255_levels(total, seed):
    ones = np.random.default_rng(seed).integers(0, total + 1, 50)
    theta = Votes(ones, total).theta(0)
    assert theta.max_level == 255
    assert np.max(np.abs(theta.levels / 255 - ones / total)) <= 0.5 / 255 + 1e-12


def test_the_clip_keeps_unanimity_finite():
    votes = Votes(np.array([0, 5, 10]), 10)
    assert votes.theta(0.01).probabilities() == pytest.approx([0.01, 0.5, 0.99])
    assert votes.theta(0.0).probabilities() == pytest.approx([0, 0.5, 1])


def test_a_client_counts_once_and_a_bad_update_leaves_the_aggregator_as_it_was():
    aggregator = aggregated([update(some_masks(1)[0], 0)])
    ones = aggregator.ones.copy()
    other = some_masks(2)[1]
    for client, bad, words in (
        (0, update(other, 0), "already answered"),
        (1, update(other, 1)[:-1], "payload"),
        (1, update(other, 2), "from client 1 says that it is client 2's"),
    ):
        with pytest.raises(MessageError, match=words):
            aggregator.add(client, bad)
        assert np.array_equal(aggregator.ones, ones)
        assert len(aggregator.measures) == 1


def test_updates_are_collected_as_they_arrive_and_the_unusable_are_named():
    sent = [update(m, k) for k, m in enumerate(some_masks(3))]
    empty = lambda: MaskAggregator(broadcast())  # noqa: E731
    updates = iter([(0, sent[0]), (1, sent[1][:-1]), (2, sent[0]), (2, sent[2])])
    got, uplink, rejected = collect(updates, empty)
    assert sorted(got.weights) == [0, 2]
    assert uplink == {0: len(sent[0]), 2: len(sent[2])}
    assert [(r.client, r.size) for r in rejected] == [(1, len(sent[1]) - 1), (2, len(sent[0]))]
    assert "says that it is client 0's" in str(rejected[1].error)


@pytest.mark.parametrize(("minimum", "used"), [(2, 2), (3, 0)])
def test_with_fewer_usable_updates_than_the_minimum_all_are_rejected(minimum, used):
    sent = [update(m, k) for k, m in enumerate(some_masks(3))]
    arriving = [(0, sent[0]), (1, b"noise"), (2, sent[2])]
    got, uplink, rejected = collect(arriving, lambda: MaskAggregator(broadcast()), minimum)
    assert len(got.weights) == len(uplink) == used
    assert len(rejected) == 3 - used
    if not used:
        assert np.array_equal(got.votes().theta(0.01).levels, broadcast().theta.levels), "θ stays as it is"
        assert "2 usable updates in this round, and the minimum is 3" in str(rejected[-1].error)


def test_theta_stays_when_nobody_answers():
    aggregator = MaskAggregator(broadcast())
    assert np.array_equal(aggregator.votes().theta(0.01).probabilities(), broadcast().theta.probabilities())
    assert means(aggregator.measures) == {}


def test_memory_does_not_grow_with_the_number_of_clients():
    large = Layout(((2000, 100),))
    to = broadcast(large)

    def peak(clients: int) -> int:
        rng = np.random.default_rng(0)
        tracemalloc.start()
        aggregator = MaskAggregator(to)
        for k in range(clients):
            aggregator.add(k, update(rng.random(large.n) < 0.1, k, to=to))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(1)  # what is made once for a broadcast is made now
    assert peak(40) < 1.05 * peak(4)


def test_cohorts_are_keyed_by_seed_and_round():
    cohort = sample_cohort(100, 10, seed=1, round=5)
    assert cohort == sample_cohort(100, 10, seed=1, round=5)
    assert len(set(cohort)) == 10
    assert cohort == sorted(cohort)
    assert cohort != sample_cohort(100, 10, seed=1, round=6)
    assert sample_cohort(4, 0, 0, 1) == [0, 1, 2, 3]
    seen = {c for r in range(200) for c in sample_cohort(100, 10, 0, r)}
    assert seen == set(range(100)), "everyone is drawn sooner or later"
