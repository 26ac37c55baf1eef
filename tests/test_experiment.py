"""The schema: what is refused, in which words, and which runs share a folder."""

import dataclasses
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsparse import PRESETS, Experiment, SettingError
from fedsparse.experiment import SETTINGS, schema_table


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lamda": 1}, ["'lamda'", "'lam'"]),
        ({"dataste": "digits"}, ["'dataset'"]),
        ({"rounds": -3}, ["rounds=-3", "1 to 100000"]),
        ({"rounds": 2.5}, ["rounds=2.5", "whole number"]),
        ({"rounds": True}, ["rounds=True", "whole number"]),
        ({"lam": "high"}, ["lam='high'", "number"]),
        ({"lam": float("nan")}, ["lam=nan", "finite"]),
        ({"lr": 0}, ["lr=0", "out of range"]),
        ({"model": "conv5"}, ["model='conv5'", "conv"]),
        ({"estimator": "identiy"}, ["did you mean 'identity'"]),
        ({"dataset": 3}, ["dataset=3", "text"]),
        ({"clients": 3, "cohort": 4}, ["cohort=4", "clients (3)"]),
        ({"clip": 0, "lam": 1, "regularizer": "kl"}, ["clip > 0"]),
        ({"clip": 1e-9}, ["clip=1e-09", "below 1 in float32", "at least 1e-06"]),
        ({"clip": 0, "target_bpp": 0.3, "regularizer": "entropy"}, ["clip > 0"]),
        ({"target_bpp": 0.3, "codec": "packed"}, ["codec=context", "1 bpp"]),
        ({"partition": "shards", "size_skew": 1}, ["size_skew=1", "no effect", "iid or classes, not to shards"]),
        ({"partition": "dirichlet", "size_skew": 1}, ["size_skew=1", "no effect", "iid or classes, not to dirichlet"]),
        ({"alpha": 0.001}, ["alpha=0.001", "0.01 to 100"]),
        ({"dropout": 1.5}, ["dropout=1.5", "0 to 1"]),
        ({"alpha": 0.1}, ["alpha=0.1", "no effect", "partition=dirichlet, not to iid"]),
        ({"classes_per_client": 3, "partition": "dirichlet"}, ["classes or shards, not to dirichlet"]),
        ({"prior_reset": 3}, ["aggregation=beta, not to mean"]),
        ({"optimizer": "sgd", "optimizer_state": "kept"}, ["optimizer=adam, not to sgd"]),
        ({"regularizer": "kl"}, ["λ is 0 in every round"]),
        ({"lam_schedule": "server_loss"}, ["λ is 0 in every round"]),
        ({"bits": 2}, ["qsgd or eden, not to fedpm"]),
        ({"down_bits": 4}, ["down_bits=4", "no effect", "fedavg or qsgd or eden, not to fedpm"]),
        ({"down_bits": 4, "algorithm": "sign_sgd"}, ["fedavg or qsgd or eden, not to sign_sgd"]),
        ({"down_bits": 9, "algorithm": "fedavg"}, ["down_bits=9", "0 to 8"]),
        ({"down_bits": 0.5, "algorithm": "fedavg"}, ["down_bits=0.5", "whole number"]),
        ({"clip": 0.2, "algorithm": "fedavg"}, ["fed_mask, not to fedavg"]),
        ({"device": "gpu"}, ["did you mean 'cuda'"]),
        ({"dataset": "../x"}, ["dataset='../x'", "neither / nor"]),
        ({"dataset": "/abs/x"}, ["neither / nor"]),
        ({"dataset": ".."}, ["not a name"]),
        ({"dataset": "x" * 200}, ["at most 100 bytes"]),
        ({"dataset": "a\nb"}, ["printable"]),
        ({"out": "a\0b"}, ["not a text"]),
        ({"dataset": "数" * 40}, ["at most 100 bytes"]),
        ({"seed": 10**400}, ["out of range"]),
    ],
)
def test_a_bad_setting_is_refused_in_one_line_that_helps(settings, words):
    with pytest.raises(SettingError) as error:
        Experiment.of(settings)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_presets_are_valid_and_unknown_ones_refused():
    for name in PRESETS:
        assert Experiment.of(preset=name)
    assert Experiment.of({"lam": 2}, preset="demo").lam == 2.0
    fedavg = Experiment.of({"algorithm": "fedavg"}, preset="demo")
    assert (fedavg.lam, fedavg.lam_schedule, fedavg.batch_size) == (0.0, "constant", 16)
    with pytest.raises(SettingError, match=r"lam=2\.0 would have no effect"):
        Experiment.of({"algorithm": "fedavg", "lam": 2}, preset="demo")
    with pytest.raises(SettingError, match="paper-mnist"):
        Experiment.of(preset="paper-mnits")


def test_whole_numbers_serve_as_floats_and_give_the_same_key():
    assert Experiment(lam=1) == Experiment(lam=1.0)
    assert type(Experiment(lam=1).lam) is float
    assert Experiment(lam=1).key == Experiment(lam=1.0).key


def test_key_ignores_rounds_and_places_and_nothing_else():
    other = {"str": "x", "int": 2, "float": 0.25}
    for name, f in SETTINGS.items():
        readers = {other: values[0] for other, values in f.metadata["only"].items()}
        readers |= {"model": "a:module", "width": SETTINGS["width"].default} if name in ("init", "weights") else {}
        base = Experiment(**readers, lam=1.0 if f.metadata["only_if_lam"] else 0.0)
        value = f.metadata["choices"][-1] if f.metadata["choices"] else other[f.type.__name__]
        changed = base.replace(**{name: value})
        if changed == base:
            continue
        assert (changed.key == base.key) == (name in ("rounds", "out", "data_root")), name


def test_the_keys_of_runs_that_are_there_stay_as_they_are():
    for settings, key in [
        ({}, "digits-conv2-fedpm-lam0-seed0-d905e156"),
        ({"lam": 5.0, "width": 0.25, "batch_size": 16}, "digits-conv2-fedpm-lam5-seed0-13ee14b3"),
        (
            {"algorithm": "top_mask", "density": 0.3, "partition": "dirichlet"},
            "digits-conv2-top_mask-lam0-seed0-5bdaed97",
        ),
        ({"codec": "shared", "engine": "plain", "optimizer_state": "kept"}, "digits-conv2-fedpm-lam0-seed0-0841f74e"),
    ]:
        assert Experiment(**settings).earlier_key == key
        assert re.fullmatch(f"{key}[0-9a-f]{{8}}", Experiment(**settings).key), "more bits of the same settings"
    elsewhere = Experiment(data_root="/data")
    assert elsewhere.key == Experiment().key
    assert elsewhere.earlier_key != Experiment().earlier_key, "the place of the data was a part of it"


def test_two_experiments_that_once_shared_a_key_have_two():
    settings = {"model": "mlp", "width": 0.05, "clients": 3, "local_epochs": 1, "train_size": 200}
    one, other = (Experiment(lr=lr, **settings) for lr in (2.5862, 4.3083))
    assert one.earlier_key == other.earlier_key
    assert one.key != other.key


def test_values_of_the_right_kind_are_taken():
    made = Experiment(out=Path("runs/x"), clients=np.int64(3), lam=np.float32(0.5), model=np.str_("mlp"))
    assert (made.out, made.clients, made.lam, made.model) == ("runs/x", 3, 0.5, "mlp")
    assert {type(value) for value in made.settings.values()} == {str, int, float}
    assert made.key == Experiment(clients=3, lam=0.5, model="mlp").key
    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize("make", [Experiment, Experiment().replace, lambda **given: Experiment.of(given)])
def test_an_unknown_name_gets_the_nearest_one(make):
    with pytest.raises(SettingError, match="no setting 'lamda'; did you mean 'lam'"):
        make(lamda=3)


@given(st.floats(0, 1e6), st.integers(0, 2**63 - 1))
def test_settings_make_the_same_experiment_again(lam, seed):
    experiment = Experiment(lam=lam, seed=seed)
    assert Experiment.of(experiment.settings) == experiment


def test_the_settings_page_is_the_schema():
    page = (Path(__file__).parents[1] / "docs/settings.md").read_text(encoding="utf-8")
    assert page.endswith(f"\n\n{schema_table()}\n"), "docs/settings.md is stale: paste schema_table()"
    assert all(f"`{preset}`" in page for preset in PRESETS)


def test_an_experiment_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Experiment().lam = 2.0  # type: ignore[misc]
    assert re.fullmatch(r"digits-conv2-fedpm-lam0-seed0-[0-9a-f]{16}", Experiment().key)
