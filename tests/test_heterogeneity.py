"""Clients that differ and that drop out, in whole federations; accuracy client by client."""

import warnings

import numpy as np
import pytest
import torch

from fedsparse import Federation, History, RunError, RunWarning, evaluation, run
from fedsparse.evaluation import client_accuracies
from fedsparse.population import sample_cohort, surviving_clients
from fedsparse.wire import masks


def test_who_drops_out_follows_from_seed_round_and_client_alone():
    everyone = list(range(2000))
    lost = set(everyone) - set(surviving_clients(everyone, 0.3, 1, 5))
    assert len(lost) / 2000 == pytest.approx(0.3, abs=0.04)
    assert surviving_clients([3, 700, 1999], 0.3, 1, 5) == [k for k in (3, 700, 1999) if k not in lost], (
        "whatever the cohort"
    )
    assert set(everyone) - set(surviving_clients(everyone, 0.3, 1, 6)) != lost
    assert set(everyone) - set(surviving_clients(everyone, 0.3, 2, 5)) != lost
    assert lost < set(everyone) - set(surviving_clients(everyone, 0.5, 1, 5)), "who is lost at 0.3 is lost at 0.5"
    assert surviving_clients(everyone, 0.0, 1, 5) == everyone
    assert surviving_clients(everyone, 1.0, 1, 5) == []


def test_a_client_that_drops_out_is_sent_theta_and_sends_nothing(tiny):
    options = tiny.replace(dropout=0.5, cohort=3, evaluate_every=9)
    federation = Federation(options)
    counts = []
    for number in range(1, 9):
        message = federation.algorithm.broadcast(federation.state)
        row = federation.round()
        answers = surviving_clients(sample_cohort(4, 3, options.seed, number), 0.5, options.seed, number)
        assert row["cohort"] == len(answers)
        assert row["downlink_bytes"] == 3 * len(message)
        assert (row["uplink_bytes"] > 0) == bool(answers)
        if answers:
            mean_bytes = row["bpp_uplink"] * federation.network.layout.n / 8
            assert row["uplink_bytes"] == pytest.approx(mean_bytes * len(answers))
            assert federation.state.votes.total == len(answers)
        counts.append(len(answers))
    assert len(set(counts)) > 1


@pytest.mark.parametrize("aggregation", ["mean", "beta"])
def test_a_round_in_which_nobody_answers_changes_the_round_and_nothing_else(tiny, aggregation):
    reset = {"prior_reset": 2} if aggregation == "beta" else {}
    federation = Federation(tiny.replace(cohort=2, aggregation=aggregation, target_bpp=0.2, **reset))
    federation.round()
    before = federation.state
    theta = federation.algorithm.parameters(before)
    object.__setattr__(federation.experiment, "dropout", 1.0)
    row = federation.round()
    assert np.array_equal(federation.algorithm.parameters(federation.state), theta)
    after = federation.state
    assert (after.round, after.lam, after.rate) == (2, before.lam, before.rate)
    assert (row["cohort"], row["uplink_bytes"], row["bpp_uplink"]) == (0, 0, 0.0)
    assert row["downlink_bytes"] > 0
    assert row["lam_used"] == pytest.approx(before.lam)
    for measure in ("loss", "density", "bpp_entropy", "bpp_layer", "bpp_kl"):
        assert np.isnan(row[measure])
    assert row["accuracy_expected"] == federation.history[0]["accuracy_expected"]
    assert "nan" not in str(federation.history)


@pytest.mark.parametrize("settings", [{"dropout": 1.0}, {"dropout": 0.7, "cohort": 1, "target_bpp": 0.3}])
def test_silent_rounds_survive_checkpoint_and_csv(tiny, settings, tmp_path):
    tiny = tiny.replace(**settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        whole = run(tiny.replace(rounds=4, out=str(tmp_path / "whole")))
        parts = run(tiny.replace(rounds=2))
        parts = run(tiny.replace(rounds=4))
    assert 0 in whole.history.frame["cohort"].tolist()
    for row in [*whole.history.rows, *parts.history.rows]:
        row["seconds"] = 0.0
    assert parts.history.to_csv() == whole.history.to_csv()
    assert History.from_csv(whole.history.to_csv()).to_csv() == whole.history.to_csv()
    assert (parts.folder / "network.fsp").read_bytes() == (whole.folder / "network.fsp").read_bytes()


def test_accuracy_of_clients_by_hand():
    # Class 0 is right in 3 of 4, class 1 in 1 of 2, class 2 never, class 3 has no test image.
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    hit = np.array([1, 1, 1, 0, 1, 0, 0], bool)
    label_counts = np.array([[5, 0, 0, 0], [1, 1, 0, 0], [0, 1, 3, 0], [2, 0, 0, 9], [0, 0, 0, 7]])
    got = client_accuracies(hit, labels, label_counts)
    assert got[:4] == pytest.approx([0.75, 0.625, 0.125, 0.75])
    assert np.isnan(got[4])


def test_history_says_how_the_clients_fare_and_the_network_is_passed_no_more_often(tiny, monkeypatch):
    federation = Federation(tiny.replace(partition="classes", classes_per_client=3))
    passes = []
    original = evaluation.correct
    monkeypatch.setattr(evaluation, "correct", lambda *a: passes.append(1) or original(*a))
    row = federation.round()
    assert len(passes) == 5
    images, labels = federation.test
    theta = torch.from_numpy(federation.algorithm.parameters(federation.state))
    hit = original(federation.network, federation.network.weights(theta), images, labels)
    expected = []
    for client in federation.clients:
        classes, sizes = client.labels.unique(return_counts=True)
        assert len(classes) == 3
        each = torch.stack([hit[labels == c].double().mean() for c in classes])
        expected.append(((each * sizes).sum() / sizes.sum()).item())
    assert row["accuracy_client_mean"] == pytest.approx(np.mean(expected))
    assert row["accuracy_client_worst"] == pytest.approx(min(expected))


@pytest.mark.parametrize("partition", ["classes", "dirichlet", "shards"])
def test_every_partition_trains_to_the_same_bytes_twice(tiny, partition):
    messages = []
    for _ in range(2):
        each = {} if partition == "dirichlet" else {"classes_per_client": 3}
        federation = Federation(tiny.replace(partition=partition, **each))
        federation.round()
        messages.append(federation.algorithm.broadcast(federation.state))
    assert messages[0] == messages[1]
    other = Federation(tiny)
    other.round()
    assert other.algorithm.broadcast(other.state) != messages[0]


def test_a_target_that_is_missed_is_noted_and_warned_of_once(tiny):
    missed = tiny.replace(target_bpp=0.01, rounds=5)
    with pytest.warns(RunWarning, match="was not met"):
        done = run(missed)
    assert "target_bpp=0.01 was not met" in done.note
    with warnings.catch_warnings():
        warnings.simplefilter("error", RunWarning)
        assert run(missed).note == done.note, "a run that is finished says the same"
        assert run(tiny).note == ""


def test_a_run_without_any_answer_says_so_once(tiny):
    silent = tiny.replace(dropout=1.0)
    with pytest.warns(RunWarning, match="no client answered in any of the 2 rounds .dropout=1.") as warned:
        done = run(silent)
    assert len(warned) == 1
    assert done.unanswered
    assert not run(tiny).unanswered


def test_a_run_by_an_earlier_version_that_knew_no_schedule_goes_on(tiny):
    one = Federation(tiny.replace(lam=2))
    one.round()
    kept = one.checkpoint()
    del kept["state"]["learned"]
    other = Federation(tiny.replace(lam=2))
    other.restore(kept)
    assert one.round()["loss"] == other.round()["loss"]


def test_a_run_of_another_version_is_refused(tiny):
    federation = Federation(tiny)
    federation.round()
    checkpoint = federation.checkpoint()
    del checkpoint["state"]["lam"]
    with pytest.raises(RunError, match="another version"):
        Federation(tiny).restore(checkpoint)


def test_the_broadcast_is_decoded_with_its_lam(tiny):
    federation = Federation(tiny.replace(lam=2.5))
    message = federation.algorithm.broadcast(federation.state)
    assert masks.decode_theta(message, federation.network.layout).theta.lam == 2.5


def test_a_plot_of_who_holds_what_has_a_bubble_a_holding():
    pytest.importorskip("matplotlib")
    from fedsparse.analysis import plots

    counts = np.array([[4, 0, 1], [0, 2, 0]])
    figure = plots.label_counts(counts, "two clients")
    (axes,) = figure.axes
    (bubbles,) = axes.collections
    assert bubbles.get_offsets().tolist() == [[0, 0], [0, 2], [1, 1]]
    sizes = bubbles.get_sizes()
    assert sizes / sizes.max() == pytest.approx([1, 0.25, 0.5]), "areas"
    assert plots.png(figure).startswith(b"\x89PNG")
