"""Communication cost, cost to target, break-even and memory: against values by hand and real messages."""

import gc
import math

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedsparse import DataError, Experiment, Federation
from fedsparse.analysis import costs
from fedsparse.analysis.studies import STUDIES

SEEDS = pandas.DataFrame(
    {
        "line": ["a"] * 6 + ["b"] * 6,
        "seed": [0, 0, 0, 1, 1, 1] * 2,
        "round": [1, 2, 3] * 4,
        "accuracy": [0.1, 0.6, 0.6, 0.2, math.nan, 0.8, 0.5, 0.6, 0.7, 0.5, 0.6, 0.7],
        "accuracy_threshold": [0.1, 0.8, 0.7, 0.2, math.nan, 0.9, 0.5, 0.6, 0.7, 0.5, 0.6, 0.9],
        "accuracy_expected": [0.8, 0.8, 0.8, 0.8, math.nan, 0.8, 0.5, 0.6, 0.7, 0.5, 0.6, 0.7],
        "megabytes_up": [1.0, 2, 3, 1, 2, 3, 10, 20, 30, 10, 20, 30],
        "megabytes_down": [5.0, 6, 7, 5, 6, 9, 0, 0, 1, 0, 0, 3],
    }
)


def test_communication_cost_is_of_the_last_round_and_a_mean_over_seeds():
    cost = costs.communication_cost(SEEDS)
    assert list(cost.index) == ["a", "b"]
    assert cost.loc["a", ["up", "down", "all"]].tolist() == pytest.approx([3, 8, 11])
    assert cost.loc["a", ["sampled", "threshold", "expected"]].tolist() == [
        "70.0 ± 127.1",
        "80.0 ± 127.1",
        "80.0 ± 0.0",
    ]
    assert cost.loc["b", ["up", "down", "all"]].tolist() == pytest.approx([30, 2, 32])


def test_bytes_to_a_target_are_those_of_the_first_round_that_showed_it_at_every_seed():
    reached = costs.cost_to_target(SEEDS, 0.75)
    assert reached.loc["a"].tolist() == pytest.approx([2.5, 2.5, 7.5, 10.0])  # round 2, and 3 after a gap
    assert reached.loc["b"].isna().all(), "one seed of b never got there"
    assert costs.cost_to_target(SEEDS, 0.5).loc["b"].tolist() == pytest.approx([1, 10, 0, 10])
    assert costs.cost_to_target(SEEDS, 0.75, "accuracy_expected").loc["a", "rounds"] == 1, "another network is earlier"
    assert costs.cost_to_target(SEEDS, 0.75, "accuracy").isna().all(axis=None), (
        "sampled ones of one seed never get there"
    )


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([5, 5, 5], [9, 2, 2], 3),
        ([5, 5, 5], [1, 1, 1], 1),
        ([5, 1, 9, 9], [4, 4, 1, 1], 3),  # ahead in round 1, behind in round 2
        ([1, 5, 5, 5], [3, 3, 3, 3], 3),  # as much is not less
        ([1, 1], [2, 1], math.nan),
        ([], [], math.nan),
    ],
)
def test_break_even_by_hand(first, second, expected):
    assert costs.break_even(first, second) == pytest.approx(expected, nan_ok=True)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_from_break_even_on_the_second_is_ahead_and_just_before_it_is_not(rounds):
    first, second = (np.array(column) for column in zip(*rounds, strict=True))
    even = costs.break_even(first, second)
    ahead = np.cumsum(second) < np.cumsum(first)
    if math.isnan(even):
        assert not ahead[-1]
    else:
        assert ahead[int(even) - 1 :].all()
        assert even == 1 or not ahead[int(even) - 2]


@pytest.mark.parametrize("algorithm", ["fedpm", "fedavg"])
@pytest.mark.parametrize("clients", [3, 4])  # 4 levels take two bits, 5 take three
def test_packed_sizes_are_those_of_real_messages(tiny, algorithm, clients):
    federation = Federation(tiny.replace(algorithm=algorithm, codec="packed", clients=clients, rounds=2))
    federation.round()
    row = federation.round()
    expected = costs.packed_bytes(federation.network.layout, clients, 1)[algorithm]
    assert (row["uplink_bytes"], row["downlink_bytes"]) == expected


# Both: frozen weights, the start, the trained values, their gradient, two moments of Adam. FedPM: θ beside its logit.
@pytest.mark.parametrize(("algorithm", "vectors"), [("fedpm", 7), ("fedavg", 6)])
def test_a_client_holds_as_many_vectors_as_counted_by_hand(tmp_path, algorithm, vectors):
    e = Experiment(model="mlp", train_size=200, algorithm=algorithm, engine="plain", local_epochs=1, out=str(tmp_path))
    federation = Federation(e)
    assert costs.client_bytes(federation) / federation.network.layout.n == pytest.approx(4 * vectors, abs=0.5)


def test_tensors_are_counted_by_their_storage():
    before = costs.tensor_bytes()
    one = torch.zeros(1000)
    views = [one[:10], one.view(10, 100)]
    assert costs.tensor_bytes() - before == 4000
    del one, views
    assert costs.tensor_bytes() == before


def test_tensors_in_unreachable_cycles_are_not_alive():
    before = costs.tensor_bytes()
    gc.disable()
    try:
        cycle = [torch.zeros(1000)]
        cycle.append(cycle)
        del cycle
        assert costs.tensor_bytes() == before, "a difference must not depend on when the collector runs"
    finally:
        gc.enable()


def test_a_servers_memory_does_not_grow_with_its_clients(tmp_path):
    e = Experiment(model="mlp", train_size=200, clients=8, local_epochs=1, out=str(tmp_path))
    federation = Federation(e)
    message = federation.algorithm.broadcast(federation.state)
    updates = [federation.algorithm.local_update(message, client) for client in federation.clients]
    one, eight = (costs.server_bytes(federation, updates[:count]) for count in (1, 8))
    assert eight < 1.1 * one
    assert federation.state.round == 0, "measuring changes nothing"


@pytest.mark.parametrize("name", ["rivals-digits", "lambda-mnist"])
def test_results_are_labelled_as_their_study_labels_them(name):
    table = costs.study_table(name)
    assert table.groupby("line")["seed"].nunique().eq(STUDIES[name].seeds).all()
    column, label = ("algorithm", str) if name == "rivals-digits" else ("lam", "λ = {:g}".format)
    assert (table["line"] == table[column].map(label)).all()


def test_a_comparison_that_is_not_there_or_not_whole_is_refused(tmp_path):
    with pytest.raises(DataError, match="python -m fedsparse study rivals-digits makes it"):
        costs.study_table("rivals-digits", tmp_path)
    costs.study_table("rivals-digits").query("algorithm != 'fedpm'").to_csv(tmp_path / "rivals-digits.csv")
    with pytest.raises(DataError, match="holds 18 runs, but its study has 21"):
        costs.study_table("rivals-digits", tmp_path)
    swapped = costs.study_table("rivals-digits")
    swapped["algorithm"] = swapped["algorithm"].replace({"fedavg": "eden", "eden": "fedavg"})
    swapped.to_csv(tmp_path / "rivals-digits.csv")
    with pytest.raises(DataError, match="holds another run where its study has fedavg"):
        costs.study_table("rivals-digits", tmp_path)
