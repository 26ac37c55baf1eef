"""A run is what its checkpoint says, its folder belongs to this very run, and what is there can be opened."""

import dataclasses
import errno
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from fedsparse import DataError, Experiment, Federation, RunError, SettingError, data, open_run, run
from fedsparse.analysis.sweeps import Failed, attempt_all, distinct, run_all, summary, tidy
from fedsparse.population import Population
from fedsparse.run_folder import RESULTS, RunFolder, read_checkpoint


def own_data(folder: Path, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 256, (40, 8, 8), dtype=np.uint8), np.arange(40) % 3
    folder.mkdir(exist_ok=True)
    np.savez(folder / "own.npz", x_train=x, y_train=y, x_test=x, y_test=y)


@pytest.fixture
def own(tiny, tmp_path) -> Experiment:
    """The tiny experiment, with images of one's own."""
    own_data(tmp_path / "here")
    return tiny.replace(dataset="own", data_root=tmp_path / "here", train_size=0, clients=2)


def dealt(*parts: range):
    """Clients in this process that hold these images."""
    return lambda e, dataset, device: Population(dataset, [np.array(part) for part in parts], device)


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("size", [0, 20])
def test_a_damaged_result_is_written_anew_from_the_checkpoint(tiny, name, size):
    first = run(tiny)
    whole = (first.folder / name).read_bytes()
    os.truncate(first.folder / name, size)
    again = run(tiny)
    assert again.history.to_csv() == first.history.to_csv()
    assert (first.folder / name).read_bytes() == whole
    assert again.network_bytes == len((first.folder / "network.fsp").read_bytes())


def test_the_outcome_of_a_refused_run_is_its_reason_and_not_what_lies_in_its_folder(own, tmp_path):
    run(own)
    own_data(tmp_path / "here", seed=1)
    (failed,) = attempt_all([own], jobs=1)
    assert isinstance(failed, Failed)
    assert "other data of that name" in failed.why
    (never,) = attempt_all([own.replace(dataset="nope")], jobs=1)
    assert isinstance(never, Failed)
    assert "not one of digits" in never.why
    table = summary([failed, *attempt_all([own.replace(seed=1)], jobs=1)])
    assert (table["seeds"].iloc[0], table["failed"].iloc[0]) == (1, 1)


@pytest.mark.parametrize("rounds", [2, 3])
def test_clients_that_hold_other_images_are_another_run(tiny, rounds):
    few, many = dealt(range(50), range(50, 60)), dealt(range(100), range(100, 200))
    two = tiny.replace(clients=2)
    first = run(two, client_backend=few)
    assert run(two, client_backend=few).history.to_csv() == first.history.to_csv()
    with pytest.raises(RunError, match="other images at its clients"):
        run(two.replace(rounds=rounds), client_backend=many)
    with pytest.raises(RunError, match="other images at its clients"):
        run(two.replace(rounds=rounds))


def test_terms_of_the_federation_that_are_no_settings_are_compared(tiny):
    first = run(tiny, min_updates=4)
    with pytest.raises(RunError, match="with min_updates=4"):
        run(tiny)
    assert run(tiny, min_updates=4).history.to_csv() == first.history.to_csv()
    assert run(tiny.replace(seed=1)).history.to_csv() == run(tiny.replace(seed=1), min_updates=1).history.to_csv(), (
        "one is none"
    )


def test_a_folder_with_other_settings_is_refused_whatever_its_name(tiny):
    other = tiny.replace(lr=0.2)
    shutil.copytree(run(tiny).folder, RunFolder(other).path)
    for rounds in (2, 3):
        with pytest.raises(RunError, match=r"holds a run with lr=0\.1: choose another folder"):
            run(other.replace(rounds=rounds))
    assert run(tiny.replace(rounds=3)).history.last["round"] == 3


def made_earlier(done):
    """A run folder as earlier versions left it: by their key, and without what its checkpoint has today."""
    folder = done.folder.rename(done.folder.with_name(done.experiment.earlier_key))
    checkpoint = read_checkpoint(folder)
    for name in ("settings", "holdings", "min_updates", "results"):
        del checkpoint[name]
    dataset = data.load(done.experiment.dataset, done.experiment.data_root, done.experiment.train_size)
    torch.save({**checkpoint, "data": dataset.checksum()}, folder / "checkpoint")
    return folder


def test_a_folder_by_an_earlier_key_is_used_as_it_is(own):
    earlier = made_earlier(run(own))
    assert open_run(earlier).experiment.lam == own.lam
    assert run(own).folder == earlier
    assert "settings" in read_checkpoint(earlier), "it is brought up to date"
    elsewhere = run(own.replace(data_root=f"{own.data_root}/."))
    assert not elsewhere.folder.samefile(earlier), "the place was in its name"


def test_in_a_folder_made_earlier_the_settings_are_compared_too(tiny):
    settings = {"clients": 3, "local_epochs": 1, "train_size": 200, "out": tiny.out}
    one, other = (Experiment(model="mlp", width=0.05, rounds=1, lr=lr, **settings) for lr in (2.5862, 4.3083))
    folder = made_earlier(run(one))
    assert RunFolder(other).path == folder, "they shared a key"
    with pytest.raises(RunError, match=r"holds a run with lr=2\.5862"):
        run(other)
    config, said = folder / "config.yaml", (folder / "config.yaml").read_text(encoding="utf-8")
    config.write_text(f"{said}lam_warmup: 0\nlam_delay: 5\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"holds a run with lam_delay=5:"):
        run(one)
    config.write_text(f"{said}lam_warmup: 0\nlam_delay: 0\n", encoding="utf-8")
    assert run(one).folder == folder, "settings that are gone, at the value that changes nothing"
    checkpoint = read_checkpoint(folder)
    del checkpoint["settings"]
    torch.save(checkpoint, folder / "checkpoint")
    config.unlink()
    with pytest.raises(RunError, match="does not say which settings its run has"):
        run(one)


def test_other_shapes_or_pixels_are_other_data(own, tmp_path):
    run(own)
    images = dict(np.load(tmp_path / "here" / "own.npz"))
    reshaped = {name: x.reshape(-1, 4, 16) if name.startswith("x") else x for name, x in images.items()}
    np.savez(tmp_path / "here" / "own.npz", **reshaped)
    for rounds in (2, 3):
        with pytest.raises(RunError, match="other data of that name"):
            run(own.replace(rounds=rounds))


def test_clients_that_hold_other_pixels_are_another_run(tiny):
    def negative(e, dataset, device):
        return Population.of(e, dataclasses.replace(dataset, x_train=255 - dataset.x_train), device)

    run(tiny)
    with pytest.raises(RunError, match="other images at its clients"):
        run(tiny, client_backend=negative)


def test_a_run_is_named_by_its_data_and_not_by_their_place(own, tmp_path, monkeypatch):
    first = run(own)
    shutil.move(tmp_path / "here", tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    for place in ("there", "there/", "./there", str(tmp_path / "there")):
        monkeypatch.setattr(Federation, "round", lambda self: pytest.fail("the run was done again"))
        again = run(own.replace(data_root=place))
        assert (again.folder, again.history.to_csv()) == (first.folder, first.history.to_csv())


def test_a_finished_run_is_opened_without_its_data_or_its_place(own, tmp_path):
    done = run(own)
    federation = Federation(own)
    federation.round(), federation.round()
    shutil.rmtree(tmp_path / "here")
    moved = done.folder.rename(tmp_path / "moved")
    opened = open_run(moved)
    assert opened.history.to_csv() == done.history.to_csv()
    assert opened.experiment == own.replace(out=tmp_path)
    assert opened.versions == done.versions
    assert np.array_equal(opened.parameters, federation.algorithm.parameters(federation.state))
    assert np.array_equal(opened.network.mask.numpy(), opened.parameters > 0.5)
    assert [p.name for p in moved.iterdir() if p.name != ".lock"] == [
        p.name for p in moved.iterdir() if p.name in (*RESULTS, "checkpoint")
    ], "nothing was added"


@pytest.mark.parametrize("algorithm", ["fedavg", "sign_sgd", "top_mask"])
def test_what_other_algorithms_trained_can_be_opened(tiny, algorithm):
    done = run(tiny.replace(algorithm=algorithm))
    got = open_run(done.folder).parameters
    network = done.network
    expected = network.weights if algorithm in ("fedavg", "sign_sgd") else network.mask
    got = got.values if hasattr(got, "values") else got > 0.5
    assert np.array_equal(got, expected.numpy())


def test_what_cannot_be_opened_is_one_line(tiny, tmp_path):
    with pytest.raises(RunError, match="no run in"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match="no run in ~nobody-here/x"):
        open_run("~nobody-here/x")
    folder = run(tiny).folder
    os.truncate(folder / "checkpoint", 100)
    with pytest.raises(RunError, match="cannot be read"):
        open_run(folder)


def test_a_callback_sees_every_round_and_may_end_the_run(tiny):
    seen = []

    def stop_after_two(federation: Federation) -> bool:
        row, clients = federation.history.last, federation.client_measures
        seen.append(row["round"])
        assert sum(m["uplink_bytes"] for m in clients.values()) == row["uplink_bytes"]
        assert sum(m["downlink_bytes"] for m in clients.values()) == row["downlink_bytes"]
        for name in ("loss", "density", "bpp_entropy"):
            assert np.mean([m[name] for m in clients.values()]) == pytest.approx(row[name])
        assert np.mean([m["accuracy"] for m in clients.values()]) == pytest.approx(row["accuracy_client_mean"])
        return len(seen) == 2

    longer = tiny.replace(rounds=4)
    stopped = run(longer, after_round=stop_after_two)
    assert seen == [1, 2]
    assert len(stopped.history) == 2
    whole = run(longer.replace(out=Path(tiny.out) / "whole"))
    assert run(longer).network.weights.equal(whole.network.weights), "it goes on as if never stopped"


def test_measures_of_clients_are_of_those_that_answered(tiny):
    federation = Federation(tiny.replace(dropout=0.5, algorithm="fedavg", evaluate_every=2))
    row = federation.round()
    assert len(federation.client_measures) == row["cohort"] < 4
    assert all(set(m) == {"downlink_bytes", "uplink_bytes", "loss"} for m in federation.client_measures.values())


def test_every_round_is_logged_with_the_last_accuracy_that_is_known(tiny, caplog):
    with caplog.at_level(logging.INFO, "fedsparse"):
        run(tiny.replace(rounds=3, evaluate_every=2))
    first, second, third = caplog.messages
    assert "round 1 of 3" in first
    assert "accuracy" not in first
    assert first.startswith(tiny.replace(evaluate_every=2).key)
    assert f"accuracy {run(tiny.replace(rounds=3, evaluate_every=2)).history[1]['accuracy']:.3f}" in second
    assert "nan" not in third


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tiny, monkeypatch):
    kept = run(tiny)
    before = {name: (kept.folder / name).read_bytes() for name in (*RESULTS, "checkpoint")}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match=r"cannot write .*: No space left on device"):
        run(tiny.replace(rounds=3))
    assert {p.name for p in kept.folder.iterdir()} - {".lock"} == set(before)
    assert {name: (kept.folder / name).read_bytes() for name in before} == before


@pytest.mark.parametrize(
    ("shape", "labels", "words"),
    [((6, 2, 5000), 2, "images of 1×2×5000 values, 2 classes"), ((4100, 1, 1), 4100, "4100 classes")],
)
def test_what_could_not_be_read_again_is_not_trained(tiny, tmp_path, shape, labels, words):
    x, y = np.zeros(shape, np.uint8), np.arange(len(np.zeros(shape))) % labels
    np.savez(tmp_path / "big.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    big = tiny.replace(dataset="big", data_root=tmp_path, train_size=0, clients=2)
    with pytest.raises(SettingError, match=f"{words}: each number is 1 to 4096"):
        run(big)
    assert not Path(tiny.out).exists() or not list(Path(tiny.out).iterdir())


def test_a_trained_network_takes_images_of_every_kind(tiny):
    network = run(tiny).network
    images = torch.rand(5, 1, 8, 8) * 2 - 1
    logits = network(images)
    assert torch.equal(network(images.numpy()), logits)
    assert torch.allclose(network(images.numpy()[::-1]), logits.flip(0), atol=1e-6)
    for wrong in (None, np.array(["a"]), [["a"]]):
        with pytest.raises(DataError, match="images are a tensor or an array of numbers"):
            network(wrong)
    assert torch.allclose(network(images.double()), logits)
    assert torch.allclose(network(images.half()), logits, atol=0.01)
    assert network(images[:0]).shape == (0, 10)
    assert torch.equal(network((images * 0).byte().numpy()), network(torch.full_like(images, -1.0)))
    assert torch.allclose(network.half()(images), logits, atol=0.01)
    assert network.double()(images).dtype == torch.float32


def test_a_trained_network_can_be_exported_for_batches_of_any_size(tiny):
    network = run(tiny).network.eval()
    images = torch.rand(5, 1, 8, 8) * 2 - 1
    batch = torch.export.Dim("batch", min=1, max=1000)
    exported = torch.export.export(network, (images,), dynamic_shapes=({0: batch},)).module()
    assert torch.allclose(exported(images[:2]), network(images[:2]), atol=1e-6)


def test_what_is_repeated_is_done_and_counted_once(tiny, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    typed = [tiny, tiny.replace(lam=0.0), tiny.replace(out=os.path.relpath(tiny.out)), tiny.replace(data_root="./data")]
    done = run_all(typed, jobs=1)
    assert len(done) == 1
    opened = open_run(done[0].folder.resolve())
    table = summary([*done, *done, opened])
    assert table["seeds"].tolist() == [1]
    assert np.isnan(table["±"].iloc[0]), "one run has no interval"
    assert len(tidy([*done, opened])) == tiny.rounds


def test_experiments_that_would_share_a_folder_are_refused(tiny, own):
    with pytest.raises(SettingError, match=r"rounds=2 and rounds=4 of .* are one run"):
        distinct([tiny, tiny.replace(rounds=4)])
    with pytest.raises(SettingError, match="would share one run folder: make one call for each"):
        distinct([own, own.replace(data_root="elsewhere")])


@pytest.mark.slow
def test_relative_paths_mean_the_callers_folder_in_every_worker(tiny, tmp_path, monkeypatch):
    for name in ("one", "two"):  # the workers of the first sweep serve the second
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        runs = run_all([tiny.replace(out="runs", seed=seed) for seed in (0, 1)], jobs=2)
        assert all((tmp_path / name / done.folder / "checkpoint").exists() for done in runs)
