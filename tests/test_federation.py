"""Whole runs: what may change nothing, changes nothing; what is cut off goes on; bytes are what was sent."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fedsparse
from fedsparse import (
    Architecture,
    DataError,
    Experiment,
    Federation,
    History,
    MaskedNetwork,
    RunError,
    SettingError,
    data,
    load_network,
    run,
)  # fmt: skip
from fedsparse.algorithms import fedavg
from fedsparse.evaluation import accuracy
from fedsparse.experiment import MODELS
from fedsparse.history import ACCURACIES, COLUMNS
from fedsparse.run_folder import RunFolder
from fedsparse.wire import masks
from fedsparse.wire.network_file import FREE


def files(folder: Path) -> dict[str, bytes]:
    """What a run leaves, times aside."""
    history = History.from_csv((folder / "history.csv").read_text())
    for row in history.rows:
        row["seconds"] = 0.0
    return {"history": history.to_csv().encode(), "network": (folder / "network.fsp").read_bytes()}


def elsewhere(experiment: Experiment, name: str) -> Experiment:
    return experiment.replace(out=str(Path(experiment.out).with_name(name)))


VARIANTS = [
    {},
    {"lam": 5, "cohort": 2},
    {"optimizer_state": "kept", "aggregation": "beta", "prior_reset": 3},
    {"aggregation": "weighted", "scores": "normal", "codec": "packed", "evaluate_every": 3},
    {"lam": 20, "lam_schedule": "server_loss", "validation": 0.2, "dropout": 0.4},
    {"optimizer": "sgd", "lr": 50, "estimator": "scaled", "init": "kaiming", "precision": "bfloat16"},
]


@pytest.mark.parametrize("settings", VARIANTS)
def test_two_runs_agree_and_two_plus_two_rounds_equal_four_to_the_byte(tiny, settings):
    four = run(elsewhere(tiny, "four").replace(rounds=4, **settings))
    again = run(elsewhere(tiny, "again").replace(rounds=4, **settings))
    assert files(again.folder) == files(four.folder)
    parts = elsewhere(tiny, "parts").replace(rounds=2, **settings)
    two = run(parts)
    assert len(two.history) == 2
    assert not np.isnan(two.history.last["accuracy"]), "the last round is always evaluated"
    assert files(run(parts.replace(rounds=4)).folder) == files(four.folder)


def test_the_number_of_cores_and_the_engine_change_nothing(tiny):
    settings = {"model": "conv2", "width": 0.1, "lam": 1.0, "cohort": 3}
    one = run(elsewhere(tiny, "one").replace(**settings))
    torch.set_num_threads(3)
    try:
        several = run(elsewhere(tiny, "several").replace(**settings))
        assert torch.get_num_threads() == 3, "the caller's own number is left alone"
    finally:
        torch.set_num_threads(1)
    assert files(one.folder) == files(several.folder)
    settings |= {"lam": 0.0}  # above, the two engines may round differently
    fast, plain = (run(elsewhere(tiny, name).replace(engine=name, **settings)) for name in ("fast", "plain"))
    assert files(fast.folder) == files(plain.folder)


def test_a_finished_run_is_not_done_again(tiny, monkeypatch):
    first = run(tiny)
    monkeypatch.setattr(Federation, "__init__", lambda *_: pytest.fail("the run was done again"))
    assert run(tiny).history.to_csv() == first.history.to_csv()
    with pytest.raises(RunError, match="has 2 rounds already"):
        run(tiny.replace(rounds=1))


def test_a_result_that_was_lost_is_written_again_from_the_checkpoint(tiny):
    first = run(tiny.replace(evaluate_every=5))
    kept = files(first.folder)
    for name in ("network.fsp", "history.csv"):
        (first.folder / name).unlink()
        assert files(run(tiny.replace(evaluate_every=5)).folder) == kept


def test_other_data_of_the_same_name_are_refused(tiny, tmp_path):
    def make(seed):
        rng = np.random.default_rng(seed)
        x, y = rng.integers(0, 256, (40, 8, 8), dtype=np.uint8), np.arange(40) % 3
        np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x, y_test=y)

    mine = tiny.replace(dataset="mine", data_root=str(tmp_path), train_size=0)
    make(0)
    run(mine)
    make(1)
    for rounds in (2, 3):
        with pytest.raises(RunError, match="other data of that name"):
            run(mine.replace(rounds=rounds))


@pytest.mark.parametrize("images", [torch.rand(2, 8, 8), torch.rand(2, 1, 8, 8) * 255, torch.ones(2, 1, 8, 8).long()])
def test_a_trained_network_refuses_images_that_it_would_misread(tiny, images):
    network = run(tiny.replace(rounds=1)).network
    with pytest.raises(fedsparse.DataError, match="images are"):
        network(images)


def test_a_refused_run_leaves_no_folder(tiny):
    with pytest.raises(fedsparse.DataError):
        run(tiny.replace(train_size=10**6))
    assert not list(Path(tiny.out).iterdir())


def test_the_seed_changes_everything(tiny):
    one, two = Federation(tiny), Federation(tiny.replace(seed=1))
    assert one.frozen != two.frozen
    assert one.round()["loss"] != two.round()["loss"]


def test_the_order_of_clients_changes_nothing(tiny):
    federation = Federation(tiny)
    message = federation.algorithm.broadcast(federation.state)
    forwards = {c.index: federation.algorithm.local_update(message, c) for c in federation.clients}
    backwards = {c.index: federation.algorithm.local_update(message, c) for c in reversed(federation.clients)}
    assert forwards == backwards
    states = [
        federation.algorithm.aggregate(federation.state, [(k, forwards[k]) for k in order])
        for order in ([0, 1, 2, 3], [3, 1, 0, 2])
    ]
    assert np.array_equal(states[0].state.votes.ones, states[1].state.votes.ones)
    assert states[0][1] == states[1][1]


def test_history_counts_the_bytes_that_were_sent(tiny):
    federation = Federation(tiny.replace(cohort=3))
    sent: list[tuple[str, int]] = []
    algorithm = federation.algorithm
    broadcast, update = algorithm.broadcast, algorithm.local_update

    def watched(message, client):
        sent.append(("down", len(message)))
        answer = update(message, client)
        sent.append(("up", len(answer)))
        return answer

    algorithm.local_update = watched
    row = federation.round()
    assert row["cohort"] == 3
    assert row["uplink_bytes"] == sum(size for way, size in sent if way == "up")
    assert row["downlink_bytes"] == sum(size for way, size in sent if way == "down")
    assert row["bpp_uplink"] == pytest.approx(8 * row["uplink_bytes"] / 3 / federation.network.layout.n)
    assert broadcast(algorithm.init()) != b""


def test_the_codec_changes_bytes_and_nothing_else(tiny):
    rows = [Federation(tiny.replace(codec=c)).round() for c in ("context", "packed")]
    sizes = ("bpp_uplink", "bpp_downlink", "uplink_bytes", "downlink_bytes", "seconds")
    packed, context = ({k: v for k, v in row.items() if k not in sizes} for row in rows)
    assert packed == context
    assert rows[0]["bpp_uplink"] > 1.0


def test_frozen_weights_stay_and_a_change_is_caught(tiny):
    federation = Federation(tiny)
    federation.round()
    federation.check_frozen()
    federation.network.stages[0].frozen[0] += 1
    with pytest.raises(RunError, match="frozen weights have changed"):
        federation.check_frozen()


def test_without_a_clip_unanimous_weights_are_frozen_and_with_one_they_are_not(tiny):
    for clip in (0.0, 0.01):
        federation = Federation(tiny.replace(clip=clip, cohort=1))
        federation.round()  # one client: every weight is unanimous
        certain = federation.algorithm.parameters(federation.state)
        assert set(np.unique(certain)) == {np.float32(clip), np.float32(1 - clip)}
        federation.round()
        moved = np.mean(federation.algorithm.parameters(federation.state) != certain)
        assert (moved > 0) == (clip > 0)
        assert np.isfinite(federation.history.last["loss"])
        assert np.isfinite(federation.history.last["bpp_kl"])


def test_beta_with_a_reset_every_round_is_the_mean(tiny):
    mean, beta = (run(elsewhere(tiny, a).replace(aggregation=a)) for a in ("mean", "beta"))
    assert files(mean.folder) == files(beta.folder)
    later = run(elsewhere(tiny, "later").replace(aggregation="beta", prior_reset=2))
    assert files(later.folder) != files(mean.folder)


def test_kept_moments_are_used_and_fresh_ones_forgotten(tiny):
    fresh, kept = (Federation(tiny.replace(optimizer_state=s)) for s in ("fresh", "kept"))
    assert fresh.round()["loss"] == kept.round()["loss"]
    assert fresh.round()["loss"] != kept.round()["loss"]
    assert not fresh.clients[0].memory


def test_the_regularizer_makes_masks_sparser_and_cheaper(tiny):
    plain, sparse = (Federation(tiny.replace(lam=lam, width=0.3, local_epochs=3)).round() for lam in (0, 20))
    for column in ("density", "bpp_entropy", "bpp_uplink"):
        assert sparse[column] < plain[column]


def test_training_that_diverges_says_so(tiny):
    federation = Federation(tiny)
    federation.network.stages[0].frozen.fill_(float("inf"))
    with pytest.raises(RunError, match=r"diverged at client 0 in round 1: try a learning rate below 0\.1"):
        federation.round()


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_training_that_diverges_under_a_regularizer_names_it(tiny, engine):
    federation = Federation(tiny.replace(lam=1.0, engine=engine))
    federation.network.stages[0].frozen.fill_(float("inf"))
    with pytest.raises(RunError, match=r"try a smaller λ, or a learning rate below 0\.1"):
        federation.round()


def test_a_run_folder_holds_one_process(tiny):
    with RunFolder(tiny), pytest.raises(RunError, match="in use"), RunFolder(tiny):
        pass


def test_a_broken_checkpoint_is_reported_and_kept(tiny):
    done = run(tiny)
    (done.folder / "checkpoint").write_bytes(b"junk")
    with pytest.raises(RunError, match="move it away"):
        run(tiny.replace(rounds=3))
    assert (done.folder / "checkpoint").read_bytes() == b"junk"


KILLED = """
import os, signal, sys
from pathlib import Path
from fedsparse import Experiment, run, run_folder

writes = 0
replace = os.replace

def killing(source, target):
    # Dies half-way through a write: the partial file is there, cut off, and the real one still the old one.
    global writes
    writes += 1
    if writes == int(sys.argv[1]):
        os.truncate(source, os.path.getsize(source) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = killing
run(Experiment.of(eval(sys.argv[2])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("write", [1, 2, 3, 4, 5, 6, 7])  # config, then network, history, checkpoint of each round
def test_a_run_killed_while_writing_resumes_to_the_same_bytes(tiny, write):
    whole = run(elsewhere(tiny, "whole").replace(optimizer_state="kept"))
    cut = elsewhere(tiny, "cut").replace(optimizer_state="kept")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(write), repr(cut.settings)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    assert killed.returncode == -signal.SIGKILL
    assert files(run(cut).folder) == files(whole.folder)


def test_a_network_file_is_the_thresholded_network(tiny):
    done = run(tiny)
    network = load_network(done.folder / "network.fsp")
    federation = Federation(tiny)
    images, labels = federation.test
    hits = (network(images).argmax(1) == labels).float().mean().item()
    assert hits == pytest.approx(done.history.last["accuracy_threshold"])
    assert accuracy(network.masked, network.mask, images, labels) == pytest.approx(hits)
    assert (done.folder / "network.fsp").stat().st_size < network.float32_bytes / 10
    assert set(network.mask.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b"",
        lambda b: b[:40],
        lambda b: b[:-1],
        lambda b: b + b"\0",
        lambda b: b"PK" + b[2:],
        lambda b: b.replace(b'"mlp"', b'"mlq"'),
    ],
)
def test_a_damaged_network_file_is_refused(tiny, tmp_path, damage):
    file = run(tiny.replace(rounds=1)).folder / "network.fsp"
    (tmp_path / "bad.fsp").write_bytes(damage(file.read_bytes()))
    with pytest.raises(fedsparse.MessageError, match=r"bad\.fsp"):
        load_network(tmp_path / "bad.fsp")


@pytest.mark.parametrize(
    "description",
    [b"{}", b"[]", b"\xff", b'{"model":"conv2","width":1e9,"shape":[1,8,8],"classes":10,"init":"fedpm","seed":0}'],
)
def test_a_forged_description_builds_nothing(tmp_path, description):
    from fedsparse.models import Layout

    layout = Layout(((2, 2),))
    (tmp_path / "bad.fsp").write_bytes(masks.encode_network(np.ones(layout.n, np.uint8), layout, description))
    with pytest.raises(fedsparse.MessageError, match="makes no network"):
        load_network(tmp_path / "bad.fsp")


def test_history_survives_csv_and_prints_without_nan(tiny):
    history = run(tiny.replace(evaluate_every=5, validation=0.2)).history
    back = History.from_csv(history.to_csv())
    assert back.to_csv() == history.to_csv()
    assert tuple(back.frame.columns) == COLUMNS
    assert np.isnan(history[0]["accuracy"])
    assert all(0 <= history.last[a] <= 1 for a in ACCURACIES)
    assert "nan" not in str(history).lower()
    assert "<table" in history._repr_html_()


def test_real_mnist_learns(mnist_root, tmp_path):
    experiment = Experiment(
        dataset="mnist", data_root=mnist_root, train_size=2000, model="conv2", width=0.1, rounds=6, evaluate_every=6
    )
    assert run(experiment.replace(out=str(tmp_path))).history.last["accuracy_expected"] > 0.5


def test_every_public_name_is_documented():
    for name in fedsparse.__all__:
        public = getattr(fedsparse, name)
        if isinstance(public, type) or callable(public):
            assert (public.__doc__ or "").strip(), name
            assert not (public.__doc__ or "").startswith(f"{name}("), f"{name} has only the docstring of its fields"


@pytest.mark.slow
def test_import_is_light():
    heavy = ["pandas", "matplotlib", "sklearn", "torchvision", "hydra", "IPython", "papermill", "joblib", "yaml"]
    code = f"import sys, fedsparse; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize("algorithm", ["fedpm", "fedavg"])
def test_a_round_with_too_few_updates_leaves_the_state_as_it_is(tiny, algorithm):
    few = Federation(tiny.replace(algorithm=algorithm, dropout=0.5), min_updates=4)
    before = few.algorithm.parameters(few.state)
    row = few.round()
    assert row["downlink_bytes"] > 0
    assert row["cohort"] == row["uplink_bytes"] == 0
    after = few.algorithm.parameters(few.state)
    assert np.array_equal(getattr(before, "values", before), getattr(after, "values", after))
    assert few.state.round == 1


@pytest.mark.parametrize("algorithm", ["fedpm", "fedavg", "sign_sgd"])
def test_states_are_frozen_and_packed_as_numbers_and_arrays(tiny, algorithm):
    state = Federation(tiny.replace(algorithm=algorithm)).state
    packed = state.pack()
    assert all(isinstance(value, int | float | np.ndarray) for value in packed.values())
    again = type(state).unpack(packed).pack()
    assert all(np.array_equal(again[name], value) for name, value in packed.items())
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.round = 3


def test_without_a_test_image_nothing_is_trained(tiny):
    dataset = data.load_for(tiny)
    bare = dataclasses.replace(dataset, x_test=dataset.x_test[:0], y_test=dataset.y_test[:0])
    with pytest.raises(DataError, match="digits has no test image"):
        Federation(tiny, bare)


def test_weights_are_encoded_once_a_round(tiny, monkeypatch):
    made = []
    encode = fedavg.encode_weights
    monkeypatch.setattr(fedavg, "encode_weights", lambda *a: made.append(1) or encode(*a))
    federation = Federation(tiny.replace(algorithm="fedavg"))
    federation.round()
    federation.round()
    assert len(made) == 2, "for four clients and the server itself"


def test_an_unknown_model_is_no_network():
    with pytest.raises(SettingError, match="no model 'conv5'; did you mean 'conv"):
        MaskedNetwork(Architecture("conv5", 1.0, (3, 32, 32), 10))
    largest = max(Architecture(name, 1.0, (3, 32, 32), 100).layout().n for name in MODELS)
    assert largest <= FREE, "whatever its mask, its file can be read"


def test_a_path_may_begin_with_the_users_folder(tiny, tmp_path, monkeypatch):
    done = run(tiny)
    monkeypatch.setenv("HOME", str(done.folder))
    assert torch.equal(load_network("~/network.fsp").mask, done.network.mask)


def test_a_device_that_is_not_there_is_refused(tiny, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RunError, match="device=cuda is not there"):
        run(tiny.replace(device="cuda"))


@pytest.mark.slow
def test_parallel_runs_are_the_same_runs(tiny):
    from fedsparse.analysis.sweeps import run_all, summary, tidy, varied

    experiments = [tiny.replace(seed=s, rounds=1) for s in (0, 1)]
    runs = run_all(experiments, jobs=2)
    alone = run(elsewhere(experiments[1], "alone"))
    assert files(runs[1].folder) == files(alone.folder)
    assert varied(experiments) == ["seed"]
    table = tidy(runs)
    assert table["seed"].tolist() == [0, 1]
    assert summary(runs)["seeds"].tolist() == [2]
