"""Pruning, rewinding, supermasks: closed forms, and that no mask is ever forgotten."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsparse import Experiment, SettingError, data
from fedsparse.models import Layout
from fedsparse.teaching.lottery_experiments import (
    against_chance,
    edge_popup_accuracy,
    looked_at,
    signs_or_magnitudes,
    untrained_masks,
)
from fedsparse.teaching.lottery_tickets import (
    CRITERIA,
    Task,
    prune_and_rewind,
    random_mask,
    share_alive,
    signed_constant,
    top_share,
    weights_of,
)

SMALL = Layout(((2, 3), (1, 2)))  # six weights and two biases, two weights and a bias
VALUES = torch.tensor([1.0, -5.0, 3.0, -2.0, 4.0, 0.5, 9.0, -9.0, 0.1, 0.2, 7.0])


@pytest.fixture
def task() -> Task:
    experiment = Experiment(model="mlp", width=0.05, local_epochs=2, seed=3)
    return Task.of(experiment, data.load("digits", train_size=200))


@pytest.fixture(scope="module")
def learner() -> Task:
    """Large enough to learn something in a second."""
    experiment = Experiment(model="mlp", width=0.3, local_epochs=12, seed=3)
    return Task.of(experiment, data.load("digits", train_size=600))


def test_the_top_of_each_layer_is_kept_and_its_biases():
    assert top_share(VALUES, 0.5, SMALL).tolist() == [1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1]
    assert top_share(VALUES.abs(), 0.5, SMALL).tolist() == [0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1]
    assert top_share(VALUES, 0.01, SMALL).tolist() == [0, 0, 0, 0, 1, 0, 1, 1, 0, 1, 1], "one a layer at least"
    assert top_share(VALUES, 1, SMALL).all()


@pytest.mark.parametrize("share", [0, -0.5, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(SettingError, match="above 0 and at most 1"):
        top_share(VALUES, share, SMALL)


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0.001, 1), seed=st.integers(0, 99))
def test_masks_keep_the_share_asked_for_in_every_layer(share, seed):
    layout = Layout(((7, 5), (3, 7)))
    wanted = [max(1, round(share * size)) for size in (35, 21)]
    for mask in (random_mask(share, layout, seed), top_share(torch.randn(layout.n), share, layout)):
        assert [int(part.sum()) for part in weights_of(mask, layout)] == wanted
        assert share_alive(mask, layout) == sum(wanted) / 56


def test_criteria_by_hand():
    first, final = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([-3.0, -1.0, 0.6])
    by_hand = {
        "large final": [3.0, 1.0, 0.6],
        "large final, same sign": [-3.0, 1.0, 0.6],
        "magnitude increase": [2.0, -1.0, 0.1],
        "large initial": [1.0, 2.0, 0.5],
        "small final": [-3.0, -1.0, -0.6],
    }
    assert set(by_hand) == set(CRITERIA)
    for name, values in by_hand.items():
        assert torch.allclose(CRITERIA[name](first, final), torch.tensor(values)), name


def test_a_signed_constant_keeps_signs_and_the_spread_of_each_layer():
    constant = signed_constant(VALUES, SMALL)
    assert torch.equal(constant.sign(), VALUES.sign())
    for part, weights in zip(weights_of(constant, SMALL), weights_of(VALUES, SMALL), strict=True):
        assert torch.allclose(part.abs(), weights.std())


def test_training_forgets_no_mask(task):
    first = task.first_weights()
    mask = random_mask(0.1, task.layout, 0)
    trained = task.train(first, mask)
    assert (trained[mask == 0] == 0).all()
    assert (trained != first * mask).any()
    assert share_alive(trained, task.layout) <= share_alive(mask, task.layout)


def test_a_mask_of_ones_is_ordinary_training(learner):
    first, ones = learner.first_weights(), torch.ones(learner.layout.n)
    trained, briefly = learner.train(first, ones), learner.train(first, ones, epochs=1)
    assert learner.accuracy(trained) > 0.9 > learner.accuracy(briefly) > learner.accuracy(first)


def test_tickets_shrink_within_each_other_and_start_from_the_first_weights(task):
    first = task.first_weights()
    tickets = list(prune_and_rewind(task, first, keep=0.5, rounds=3))
    assert [t.share for t in tickets] == [1, 0.5, 0.25, 0.125]
    for before, after in itertools.pairwise(tickets):
        assert (after.mask <= before.mask).all()
        assert torch.equal(after.mask, top_share(before.trained.abs(), after.share, task.layout))
        assert torch.equal(after.trained, task.train(first, after.mask)), "rewound: trained from the first weights"


def test_other_first_weights_are_others_and_the_same_again(task):
    assert torch.equal(task.first_weights(1), task.first_weights(1))
    assert not torch.equal(task.first_weights(1), task.first_weights())
    assert not torch.equal(task.first_weights(1), task.first_weights(2))


def test_edge_popup_trains_scores_and_reads_weights(learner):
    frozen = learner.network.weights(torch.ones(learner.layout.n))
    before = frozen.clone()
    scores = learner.train_scores(frozen, 0.5)
    mask = top_share(scores, 0.5, learner.layout)
    assert torch.equal(frozen, before)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert learner.accuracy(frozen * mask) > learner.accuracy(frozen) + 0.5


def test_edge_popup_has_its_closed_form_gradient_in_its_first_step(task):
    # With ∂m/∂s := 1, ∂L/∂sⱼ = wⱼ ∂L/∂(effective weight)ⱼ: one step of plain SGD moves scores by lr times that.
    sgd = Task(
        task.experiment.replace(optimizer="sgd", lr=0.1, local_epochs=1, batch_size=200),
        task.network, task.learner, task.x_test, task.y_test,
    )  # fmt: skip
    frozen = task.network.weights(torch.ones(task.layout.n))
    still = Task(sgd.experiment.replace(lr=1e-9), *list(vars(sgd).values())[1:]).train_scores(frozen, 0.3)
    effective = (frozen * top_share(still, 0.3, task.layout)).requires_grad_()
    loss = torch.nn.functional.cross_entropy(
        task.network.forward_with_weights(task.learner.images, effective), task.learner.labels
    )  # fmt: skip
    (gradient,) = torch.autograd.grad(loss, effective)
    assert torch.allclose(sgd.train_scores(frozen, 0.3), still - 0.1 * frozen * gradient, atol=1e-5)


def test_theta_of_the_bridge_is_a_probability_and_learns(learner):
    theta = learner.train_theta()
    assert ((theta > 0) & (theta < 1)).all()
    assert learner.accuracy(learner.network.weights(theta)) > 0.8


def test_tables_have_a_row_for_each_share_and_kind(task):
    tickets, rows = against_chance(task, 0.5, 2)
    assert [(r["share"], r["start"]) for r in rows[:4]] == [
        (1.0, "ticket"), (1.0, "same mask, other weights"), (1.0, "random mask"), (0.5, "ticket"),
    ]  # fmt: skip
    assert rows[0]["trained"] == rows[2]["trained"] == task.accuracy(tickets[0].trained), "with all weights, no mask"
    assert len(signs_or_magnitudes(task, tickets[1])) == 5
    assert len(untrained_masks(task, tickets[0].trained, [1.0, 0.5])) == 2 * (len(CRITERIA) + 1)
    assert [r["share"] for r in edge_popup_accuracy(task, [0.5])] == [0.5]


def test_what_a_mask_looks_at_adds_up(task):
    mask = random_mask(0.3, task.layout, 0)
    picture = looked_at(mask, task)
    assert picture.shape == (8, 8)
    assert picture.sum() == weights_of(mask, task.layout)[0].sum()
    lenet = Task.of(Experiment(model="lenet", width=0.5), data.load("digits", train_size=50))
    mask = random_mask(0.3, lenet.layout, 0)
    assert looked_at(mask, lenet).shape == (5, 5)
    assert looked_at(mask, lenet).sum() == weights_of(mask, lenet.layout)[0].sum()
