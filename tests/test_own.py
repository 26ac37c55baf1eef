"""What users bring from outside the package, and take away: modules, partitions, regularizers, algorithms, weights."""

import json
import shutil
import struct
import subprocess
import sys
import textwrap
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fedsparse import (
    Architecture,
    DataError,
    Experiment,
    Federation,
    MaskedNetwork,
    MessageError,
    RunError,
    SettingError,
    load_network,
    open_run,
    run,
)  # fmt: skip
from fedsparse.__main__ import main
from fedsparse.own.exported import plain_module, shrunk
from fedsparse.own.weights import state_dict_in
from fedsparse.wire.frame import CHECKSUM, HEADER, Kind, header_of, message_of
from fedsparse.wire.network_file import encode

SHAPE = (1, 8, 8)
MINE = '''
    import numpy as np
    import torch
    from torch import nn
    from fedsparse import Regularizer
    from fedsparse.algorithms.fedpm import FedPM

    def mlp(shape, classes):
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, classes))

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.one = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.two = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.norms = nn.ModuleList([nn.GroupNorm(2, width), nn.GroupNorm(2, width)])

        def forward(self, x):
            return torch.relu(x + self.norms[1](self.two(torch.relu(self.norms[0](self.one(x))))))

    def residual(shape, classes):
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), Block(8), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, classes))

    def strided(shape, classes):
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 1, stride=2), nn.Flatten(), nn.Linear(128, classes))

    class Attention(nn.Module):
        """One head over the rows of an image, out of linear layers."""

        def __init__(self, classes):
            super().__init__()
            self.q, self.k, self.v = nn.Linear(8, 16), nn.Linear(8, 16), nn.Linear(8, 16)
            self.norm, self.out = nn.LayerNorm(16), nn.Linear(16, classes)

        def forward(self, images):
            x = images.flatten(1, 2)
            scores = torch.softmax(self.q(x) @ self.k(x).transpose(1, 2) / 4, dim=-1)
            return self.out(self.norm(scores @ self.v(x)).mean(1))

    def attention(shape, classes):
        return Attention(classes)

    class Other(nn.Module):
        """Transposed and one-dimensional convolutions, and an embedding whose weight a linear layer shares."""

        def __init__(self, classes):
            super().__init__()
            self.up, self.line = nn.ConvTranspose2d(1, 2, 2, stride=2, bias=False), nn.Conv1d(2, 4, 5)
            self.words, self.again = nn.Embedding(16, 4), nn.Linear(4, 16, bias=False)
            self.again.weight, self.last = self.words.weight, nn.Linear(16, classes)

        def forward(self, images):
            x = self.line(self.up(images).flatten(2)).mean(2)
            return self.last(self.again(torch.relu(x + self.words((images.flatten(1)[:, 0] > 0).long()))))

    def other(shape, classes):
        return Other(classes)

    def batch_norm(shape, classes):
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, classes))

    def recurrent(shape, classes):
        return nn.Sequential(nn.Flatten(1, 2), nn.LSTM(8, 8), nn.Linear(8, classes))

    class Loose(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.scale = nn.Linear(64, 10), nn.Parameter(torch.ones(1))

        def forward(self, x):
            return self.layer(x.flatten(1)) * self.scale

    def loose(shape, classes):
        return Loose()

    def two_biases(shape, classes):
        one, two = nn.Linear(64, 64), nn.Linear(64, 64)
        one.weight = two.weight
        return nn.Sequential(nn.Sequential(nn.Flatten(), two), one, nn.Linear(64, classes))

    class Lora(nn.Linear):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.extra = nn.Parameter(torch.zeros(2))

    def lora(shape, classes):
        return nn.Sequential(nn.Flatten(), Lora(64, classes))

    def lazy(shape, classes):
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

    def normed(shape, classes):
        return nn.Sequential(nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(64, classes)))

    class Squeezed(nn.Linear):
        def forward(self, x):
            return super().forward(x.flatten(1)).squeeze()

    def squeezed(shape, classes):
        return Squeezed(64, classes)

    class View(nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.one, self.two = nn.Conv2d(1, 4, 3), nn.Linear(144, classes)

        def forward(self, x):
            x = torch.relu(self.one(x))
            return self.two(x.view(len(x), -1))

    def view(shape, classes):
        return View(classes)

    kept = nn.Sequential(nn.Flatten(), nn.LayerNorm(64, bias=False), nn.Linear(64, 10))
    nn.init.constant_(kept[1].weight, 3)

    def cached(shape, classes):
        return kept

    def sigmoid(shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Sigmoid(), nn.Linear(32, classes))

    def empty(shape, classes):
        return nn.Flatten()

    def headless(shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    def misfit(shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(65, classes))

    def broken(shape, classes):
        raise RuntimeError("no such luck")

    def number(shape, classes):
        return 3

    def batch_statistics(shape, classes):
        return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64, track_running_stats=False), nn.Linear(64, classes))

    class Unused(nn.Module):
        """With a head that only training of another kind needs."""

        def __init__(self, classes):
            super().__init__()
            self.last, self.other = nn.Linear(64, classes), nn.Linear(64, 3)

        def forward(self, x):
            return self.last(x.flatten(1))

    def unused(shape, classes):
        return Unused(classes)

    class Changed(nn.Module):
        """A linear layer whose logits go through a function."""

        def __init__(self, classes, change):
            super().__init__()
            self.last, self.change = nn.Linear(64, classes), change
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            return self.change(self, self.last(x.flatten(1)))

    def count(self, logits):
        self.seen += 1
        return logits

    def late(self, logits):
        if len(logits) > 3:
            raise ValueError("too many images")
        return logits

    def detached(shape, classes):
        return Changed(classes, lambda self, x: x.detach())

    def tupled(shape, classes):
        return Changed(classes, lambda self, x: (x, x))

    def random(shape, classes):
        return Changed(classes, lambda self, x: nn.functional.dropout(x, 0.5, True))

    def counting(shape, classes):
        return Changed(classes, count)

    def failing_later(shape, classes):
        return Changed(classes, late)

    def without_values(shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, classes, device="meta"))

    def leaving(shape, classes):
        raise SystemExit(3)

    half = Regularizer(value=lambda theta, s, s0: theta / 2, derivative=lambda theta, s, s0: 0.5)

    def odd_and_even(labels, experiment):
        clients = experiment.clients
        return [np.flatnonzero(labels % 2 == k % 2)[k // 2 :: clients // 2] for k in range(clients)]

    def short(labels, experiment):
        return [[0], [1]]

    thirds = [list(range(k, 200, 4)) for k in range(4)]

    def narrow(labels, experiment):
        return np.array_split(np.arange(len(labels), dtype=np.uint8), experiment.clients)

    def overwriting(labels, experiment):
        labels[:] = 0
        return thirds

    def as_masks(labels, experiment):
        return [np.arange(len(labels)) % experiment.clients == k for k in range(experiment.clients)]

    def twice(labels, experiment):
        return [[0, 1]] * experiment.clients

    def nothing_at_all(*arguments):
        return None

    def flat(labels, experiment):
        return [0, 1, 2, 3]

    def halves(labels, experiment):
        return [np.arange(3) + 0.5 + 3 * client for client in range(experiment.clients)]

    def fading(labels, experiment):
        yield [0]
        raise RuntimeError("no more")

    wrong = Regularizer(value=lambda theta, s, s0: theta[:2], derivative=lambda theta, s, s0: 1.0)
    infinite = Regularizer(value=lambda theta, s, s0: theta, derivative=lambda theta, s, s0: 1 / 0)

    for_few = Regularizer(value=lambda theta, s, s0: theta[:3] * 0, derivative=lambda theta, s, s0: theta[:3] * 0)

    class Silent(FedPM):
        def aggregate(self, state, updates, min_updates=0):
            return None

    class Measuring(FedPM):
        def aggregate(self, state, updates, min_updates=0):
            done = super().aggregate(state, updates, min_updates)
            return done._replace(measures=done.measures | {"loss": np.float64(done.measures["loss"])})

    class Remembering(FedPM):
        def local_update(self, message, client):
            client.memory["seen"] = np.ones(3)
            return super().local_update(message, client)

    class FirstHalf(FedPM):
        def aggregate(self, state, updates, min_updates=0):
            first = [update for update, _ in zip(updates, range(2))]
            return super().aggregate(state, first, min_updates)

        def local_update(self, message, client):
            client.memory["rounds"] = client.memory.get("rounds", 0) + 1
            return super().local_update(message, client)

    class Louder(FedPM):
        def parameters(self, state):
            return super().parameters(state).round()
'''


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A module outside the package, where Python finds it."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "outside.py").write_text(textwrap.dedent(MINE), encoding="utf-8")
    sys.path.insert(0, str(folder))
    import outside

    yield outside
    sys.path.remove(str(folder))
    del sys.modules["outside"]


@pytest.fixture
def small(tmp_path):
    """Settings of a short run."""
    return {
        "rounds": 2,
        "clients": 4,
        "local_epochs": 1,
        "init": "fedpm",
        "train_size": 200,
        "out": str(tmp_path / "runs"),
    }


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_a_module_of_ones_own_is_the_built_in_network_to_the_bit(mine, small, engine):
    own = Federation(Experiment(model=mine.mlp, engine=engine, **small))
    built_in = Federation(Experiment(model="mlp", width=1, engine=engine, **small))
    assert own.network.fingerprint() == built_in.network.fingerprint()
    for _ in range(2):
        rows = own.round(), built_in.round()
        for name in ("accuracy", "accuracy_threshold", "loss", "uplink_bytes", "downlink_bytes"):
            assert rows[0][name] == rows[1][name], name


@pytest.mark.parametrize("model", ["residual", "attention", "other", "view"])
def test_modules_train_through_both_engines_and_come_back_from_a_file(mine, small, model):
    factory = getattr(mine, model)
    done = run(Experiment(model=factory, **small))
    plain = run(Experiment(model=factory, engine="plain", **small))
    assert done.history.last["uplink_bytes"] == plain.history.last["uplink_bytes"]
    images = torch.rand(5, *SHAPE) * 2 - 1
    trained = load_network(done.folder / "network.fsp", model=factory)
    logits = trained(images)
    assert torch.equal(logits, done.network(images))
    assert torch.equal(logits, open_run(done.folder, model=factory).network(images))
    torch.testing.assert_close(trained.to_torch()(images), logits)
    state = trained.to_torch().state_dict()
    again = factory(SHAPE, 10)
    again.load_state_dict(state)
    torch.testing.assert_close(again(images), logits)


def test_normalization_is_frozen_at_one_and_zero_and_not_masked(mine):
    network = Federation(Experiment(model=mine.residual)).network
    masked = 8 * 9 + 8 + 2 * 8 * 8 * 9 + 32 * 10 + 10
    assert network.layout.n == masked, "neither the scales nor the shifts of GroupNorm"
    norms = [m for m in network.module.modules() if isinstance(m, nn.GroupNorm)]
    assert all((n.weight == 1).all() and (n.bias == 0).all() for n in norms)


def test_gradients_of_a_narrow_strided_convolution_are_right(mine):
    """On a processor with AVX2 alone, oneDNN would write past its memory, were its images channels last."""
    network = Federation(Experiment(model=mine.strided)).network
    weights, images = network.frozen.clone().requires_grad_(), torch.rand(16, *SHAPE)
    slopes = [torch.autograd.grad(network.forward_with_weights(images, weights).sum(), weights)[0] for _ in range(20)]
    with torch.backends.mkldnn.flags(enabled=False):
        (expected,) = torch.autograd.grad(network.forward_with_weights(images, weights).sum(), weights)
    assert all(torch.allclose(found, expected, rtol=1e-4, atol=1e-3) for found in slopes)


def test_a_shared_weight_is_masked_once(mine):
    layout = Federation(Experiment(model=mine.other)).network.layout
    assert layout.shapes == ((1, 2, 2, 2), (4, 2, 5), (16, 4), (10, 16))
    assert layout.biases == (0, 4, 0, 10)


def test_a_factory_may_keep_its_module_and_a_network_may_move(mine):
    random, own = (Federation(Experiment(model=mine.cached, init=init)).network for init in ("kaiming", "own"))
    assert (random.module[1].weight == 1).all()
    assert (own.module[1].weight == 3).all(), "a random network has not changed it"
    assert not random.to(torch.float32).idle, "copies for threads do not stay behind"


@pytest.mark.parametrize("model", ["residual", "sigmoid"])
def test_shrink_is_for_what_it_knows(mine, model):
    network = Federation(Experiment(model=getattr(mine, model))).network
    with pytest.raises(SettingError, match="with a ReLU after each but the last"):
        shrunk(plain_module(network, network.frozen))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("batch_norm", "1 is a BatchNorm2d, whose running statistics nobody sends, and without which"),
        ("batch_statistics", "without which an image's logits would depend on its batch; use GroupNorm or LayerNorm"),
        ("detached", "gives logits that no weight is trained by"),
        ("tupled", "gives a tuple; logits are a tensor"),
        ("random", "gives other logits for the same images"),
        ("counting", "keeps something of the images in seen, which nobody sends"),
        ("without_values", "has tensors on the device meta"),
        ("leaving", "failed: SystemExit: 3"),
        ("recurrent", "1 is a LSTM, which cannot be masked; build it of Linear layers"),
        ("loose", "it (Loose) has a parameter of its own, scale, which would be neither masked nor trained"),
        ("two_biases", "1 (Linear) has a parameter of its own, 1.bias"),
        ("lora", "1 (Lora) has a parameter of its own, 1.extra"),
        ("lazy", "1 is a LazyLinear with weights that come later, or from elsewhere"),
        ("normed", "1 is a ParametrizedLinear with weights that come later, or from elsewhere"),
        ("squeezed", "gives (10,) for images of shape (1, 1, 8, 8); logits of shape (1, 10) are needed"),
        ("empty", "has no layer that can be masked: Linear"),
        ("headless", "gives (3, 3) for images of shape (3, 1, 8, 8); logits of shape (3, 10) are needed"),
        ("misfit", "fails on images of (1, 8, 8): "),
        ("broken", "failed: RuntimeError: no such luck"),
        ("number", "gives int; it must return a torch.nn.Module"),
        ("nothing", "outside has no 'nothing'; it must be package.module:name"),
    ],
)
def test_what_cannot_be_masked_is_one_line(mine, tmp_path, capsys, model, words):
    name = f"outside:{model}"
    with pytest.raises(SettingError, match=f"model={name}"):
        Federation(Experiment(model=name))
    assert main([f"model={name}", f"out={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": lambda shape, classes: None}, "cannot be found by name; define it at the top of a module"),
        (
            {"model": type("net", (), {"__module__": "__main__"})},
            "net is in the script that runs; put it into a module",
        ),
        ({"model": "no_such:thing"}, "cannot import 'no_such' (ModuleNotFoundError"),
        ({"model": "outside:mlp", "width": 0.3}, "width=0.3 would have no effect"),
        ({"regularizer": "outside:mlp", "lam": 1}, "it must be a fedsparse.Regularizer"),
        ({"model": "outside.py:mlp"}, "outside.py is no name of a module; it must be package.module:name"),
        ({"model": "./outside:mlp"}, "./outside is no name of a module"),
        ({"partition": "outside:short"}, "gives 2 parts: int64 (1,), int64 (1,); one list of whole indices"),
        ({"partition": "outside:flat"}, "gives 4 parts: int64 (), int64 (), int64 (); one list of whole indices"),
        ({"partition": "outside:as_masks"}, "per client is needed; numpy.flatnonzero makes indices of a mask"),
        ({"partition": "outside:halves"}, "one list of whole indices"),
        ({"partition": "outside:nothing_at_all"}, "failed: TypeError: 'NoneType' object is not iterable"),
        ({"partition": "outside:fading"}, "failed: RuntimeError: no more"),
        ({"algorithm": "outside:nothing_at_all"}, "gives NoneType, which has no init, broadcast"),
        ({"regularizer": "outside:wrong", "lam": 1}, "fails on three parameters: "),
        ({"regularizer": "outside:infinite", "lam": 1}, "fails on three parameters: division by zero"),
        ({"init": "own", "weights": "none.pt", "algorithm": "fedavg"}, "init=own freezes weights"),
        ({"partition": "outside:twice"}, "each at most once among all clients"),
        ({"partition": "outside:broken"}, "failed: RuntimeError: no such luck"),
        ({"algorithm": "outside:broken"}, "failed: RuntimeError: no such luck"),
        ({"algorithm": "../../outside:FedPM"}, "../../outside is no name of a module"),
        ({"model": "outside:a/b"}, "'a/b' is no name in a module"),
        ({"init": "own"}, "its weights come from a file, weights=FILE"),
        ({"init": "own", "weights": "none.pt"}, "no such file; torch.save"),
        ({"weights": "none.pt"}, "weights=none.pt would have no effect"),
    ],
)
@pytest.mark.usefixtures("mine")
def test_what_cannot_be_used_is_refused(given, words):
    with pytest.raises((SettingError, DataError)) as refused:
        Federation(Experiment(**{"clients": 4, **given})).round()
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": "outside:failing_later"}, "model=outside:failing_later failed: ValueError: too many images"),
        ({"model": "outside:failing_later", "engine": "plain"}, "failed: ValueError: too many images"),
        ({"algorithm": "outside:Silent"}, "algorithm=outside:Silent failed: AttributeError"),
        ({"regularizer": "outside:for_few", "lam": 1}, "regularizer=outside:for_few failed: RuntimeError"),
    ],
)
@pytest.mark.usefixtures("mine")
def test_what_fails_while_it_trains_is_named(small, given, words):
    with pytest.raises(SettingError) as refused:
        run(Experiment(**{**small, **given}))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_layer_that_is_not_used_has_no_gradient_in_either_engine(mine, small):
    fast, plain = (run(Experiment(model=mine.unused, engine=engine, **small)) for engine in ("fast", "plain"))
    assert fast.history.last["uplink_bytes"] == plain.history.last["uplink_bytes"]


def test_indices_of_any_whole_type_are_indices(mine, small):
    narrow = Federation(Experiment(partition=mine.narrow, **small))
    assert narrow.clients.label_counts.sum() == len(narrow.clients.labels) == 200
    first = Federation(Experiment(**small)).clients  # the same images in another order
    assert torch.equal(narrow.clients.images.sum(0), first.images.sum(0)), "torch takes indices of 8 bits as a mask"


def test_what_an_algorithm_of_ones_own_keeps_can_be_read_back(mine, small):
    done = run(Experiment(algorithm=mine.Measuring, **small))
    assert open_run(done.folder).history.last["loss"] == done.history.last["loss"]
    with pytest.raises(RunError, match=r"a checkpoint cannot hold a numpy\.ndarray"):
        run(Experiment(algorithm=mine.Remembering, **small))


def test_every_client_trains_whatever_an_algorithm_reads(mine, small):
    federation = Federation(Experiment(algorithm=mine.FirstHalf, **small))
    assert federation.round()["cohort"] == 2
    assert [client.memory["rounds"] for client in federation.clients] == [1] * 4


def test_first_weights_of_a_transposed_convolution_are_scaled_by_what_an_output_reads(mine):
    for algorithm in ("fedavg", "sign_sgd", "zeroth_order"):
        federation = Federation(Experiment(model=mine.other, algorithm=algorithm, clients=4))
        first = federation.algorithm.parameters(federation.state).values[: federation.network.layout.sizes[0]]
        assert 1.5 < np.abs(first).max() <= np.sqrt(6), "one input channel, 2 × 2 weights, spread with a stride of 2"


def test_a_partition_may_be_a_list_and_does_not_change_the_labels(mine, small):
    listed, overwriting = (Federation(Experiment(partition=f"outside:{p}", **small)) for p in ("thirds", "overwriting"))
    assert np.array_equal(listed.clients.label_counts, overwriting.clients.label_counts)
    assert listed.clients.label_counts.sum() == 200


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: {"w": torch.tensor([1.0, float("nan")])}, "w must be an ordinary tensor of finite numbers"),
        (lambda: {"w": torch.ones(2, dtype=torch.complex64)}, "w must be an ordinary tensor"),
        (lambda: {"w": torch.eye(3).to_sparse()}, "w must be an ordinary tensor"),
        (lambda: {"w": torch.empty(3, device="meta")}, "w must be an ordinary tensor"),
        (lambda: {"model": {"w": torch.ones(2)}, "epoch": 3}, "holds no state_dict but one at 'model'"),
        (lambda: nn.Linear(2, 2), "cannot be read; torch.save(module.state_dict(), file) makes one"),
    ],
)
def test_a_file_of_weights_that_cannot_be_frozen_is_refused(tmp_path, content, words):
    file = tmp_path / "weights.pt"
    torch.save(content(), file)
    with pytest.raises(DataError) as refused:
        state_dict_in(str(file))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_partition_regularizer_and_algorithm_of_ones_own(mine, small):
    common = {**small, "lam": 4, "model": "mlp", "width": 0.2}
    own = Federation(Experiment(partition=mine.odd_and_even, regularizer="outside:half", **common))
    counts = own.clients.label_counts
    assert (counts[::2, 1::2] == 0).all()
    assert (counts[1::2, ::2] == 0).all()
    half = Federation(Experiment(regularizer="outside:half", **common))
    same = Federation(Experiment(**{**common, "lam": 2}))
    assert half.round()["uplink_bytes"] == same.round()["uplink_bytes"], "λ/2 is half of λ"
    louder = Federation(Experiment(algorithm=mine.Louder, **common))
    louder.round()
    theta = louder.algorithm.parameters(louder.state)
    assert set(np.unique(theta)) <= {0.0, 1.0}


def test_frozen_weights_may_be_pre_trained(mine, small, tmp_path):
    torch.manual_seed(3)
    dense = mine.mlp(SHAPE, 10)
    file = tmp_path / "dense.pt"
    torch.save(dense.state_dict(), file)
    settings = {**small, "init": "own", "weights": str(file)}
    own = run(Experiment(model=mine.mlp, **settings))
    built_in = run(Experiment(model="mlp", width=1, **settings))
    assert own.history.last["uplink_bytes"] == built_in.history.last["uplink_bytes"]
    images = torch.rand(5, *SHAPE) * 2 - 1
    logits = own.network(images)
    whole = plain_module(
        built_in.network.masked, built_in.network.masked.weights(torch.ones(len(built_in.network.weights)))
    )
    torch.testing.assert_close(whole(images), dense(images))
    smaller = built_in.folder / "network.fsp"
    assert smaller.stat().st_size < 4 * len(built_in.network.weights) / 20, "the weights are not in it"
    assert torch.equal(load_network(smaller)(images), logits)
    moved = file.rename(tmp_path / "moved.pt")
    with pytest.raises(DataError, match=r"no such file; .*load_network\(…, weights=…\) says where that file is now"):
        load_network(smaller)
    assert torch.equal(load_network(smaller, weights=moved)(images), logits)
    assert torch.equal(open_run(built_in.folder, weights=moved).network(images), logits)
    torch.save({name: t + 1 for name, t in dense.state_dict().items()}, file)
    with pytest.raises(MessageError, match="other frozen weights"):
        load_network(smaller)
    with pytest.raises(Exception, match="other frozen weights"):
        run(Experiment(model="mlp", width=1, **{**settings, "rounds": 3}))
    with pytest.raises(Exception, match="other frozen weights"):  # nor is a finished run that of other weights
        run(Experiment(model="mlp", width=1, **settings))
    torch.save({"weight": torch.zeros(3)}, file)
    with pytest.raises(DataError, match=r"holds tensors of \[\(3,\)\]; mlp needs, in this order, \[\(300, 64\)"):
        Federation(Experiment(model="mlp", width=1, **settings))
    with pytest.raises(DataError, match="does not fit model=outside:mlp"):
        Federation(Experiment(model=mine.mlp, **settings))


def test_a_file_that_names_a_module_imports_nothing(mine, small):
    done = run(Experiment(model=mine.mlp, **small))
    with pytest.raises(MessageError, match="give that function as load_network"):
        load_network(done.folder / "network.fsp")
    with pytest.raises(MessageError, match="50610 parameters, and model=outside:residual has 1562"):
        load_network(done.folder / "network.fsp", model=mine.residual)


@pytest.mark.parametrize("model", ["conv2", "conv4", "lenet", "mlp"])
@settings(max_examples=15, deadline=None)
@given(density=st.floats(0.0, 1.0), seed=st.integers(0, 99))
def test_without_its_dead_units_a_network_has_the_same_logits(model, density, seed):
    network = MaskedNetwork(Architecture(model, 0.2, SHAPE, 10, seed=seed))
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.rand(network.layout.n, generator=generator) < density).float()
    whole = plain_module(network, network.weights(mask))
    small = shrunk(whole)
    images = torch.rand(9, *SHAPE, generator=generator) * 2 - 1
    torch.testing.assert_close(small(images), whole(images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(whole(images), network(images, mask), rtol=1e-4, atol=1e-5)
    count = [sum(p.numel() for p in module.parameters()) for module in (whole, small)]
    assert count[1] <= count[0] == network.layout.n
    if density < 0.02:
        assert count[1] < count[0] / 2


def test_dead_units_are_removed_by_hand():
    one, two, three = nn.Linear(2, 4), nn.Linear(4, 2), nn.Linear(2, 1)
    with torch.no_grad():
        one.weight.copy_(torch.tensor([[1.0, 0], [0, 0], [0, 0], [1, 1]]))  # 1 and 2 read nothing
        one.bias.copy_(torch.tensor([0.0, 2, -1, 0]))  # and are 2 and 0, always
        two.weight.copy_(torch.tensor([[1.0, 3, 5, 0], [0, 1, 0, 0]]))  # nobody reads 3
        two.bias.copy_(torch.tensor([0.5, -9]))
        three.weight.copy_(torch.tensor([[1.0, 1]]))
    small = shrunk(nn.Sequential(one, nn.ReLU(), two, nn.ReLU(), three))
    first, second, last = (layer for layer in small if isinstance(layer, nn.Linear))
    assert first.weight.tolist() == [[1, 0]]
    assert second.weight.tolist() == [[1]]
    assert second.bias.tolist() == [6.5], "0.5 + 3 · 2"
    assert last.weight.tolist() == [[1]]
    assert (first.out_features, second.in_features, last.in_features) == (1, 1, 1)


@pytest.mark.parametrize("model", ["conv2", "residual"])
def test_onnx_gives_the_same_logits(mine, small, tmp_path, model):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    own = getattr(mine, model, model)
    done = run(Experiment(model=own, **small, **({"width": 0.1} if model == "conv2" else {})))
    done.network.to_onnx(tmp_path / "network.onnx")
    images = torch.rand(7, *SHAPE) * 2 - 1
    (logits,) = runtime.InferenceSession(str(tmp_path / "network.onnx")).run(None, {"images": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), done.network(images), rtol=1e-4, atol=1e-5)


def test_onnx_without_its_package_is_one_line(tiny, tmp_path, monkeypatch):
    network = run(tiny).network
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Exception, match="pip install onnxscript"):
        network.to_onnx(tmp_path / "network.onnx")


def test_a_small_file_cannot_claim_a_huge_network(tmp_path):
    def file(n, **changes):
        network = MaskedNetwork(Architecture("mlp", 0.02, (1, 2, 2), 3))
        content = encode(network, np.ones(network.layout.n))
        fields = json.loads(content[HEADER.size + CHECKSUM.size + 2 :].split(b"}")[0] + b"}") | changes
        description = json.dumps(fields).encode()
        payload = struct.pack("<H", len(description)) + description
        message = bytearray(message_of(Kind.NETWORK, "context", 0, network.layout, 0, payload))
        struct.pack_into("<I", message, 10, n)
        struct.pack_into("<I", message, HEADER.size, zlib.crc32(payload, zlib.crc32(message[: HEADER.size])))
        return bytes(message)

    assert header_of(file(4_000_000_000), Kind.NETWORK).n == 4_000_000_000, "the test writes what it means to"
    huge = {"model": "conv10", "width": 8.0, "shape": [1, 4096, 4096], "classes": 4096}
    tracemalloc.start()
    for n, changes, words in (
        (4_000_000_000, huge, "no network that learned is so small"),
        (1000, huge | {"shape": [1, 4096, 2048]}, "where the header announces 1,000"),
        (1000, huge | {"shape": [4096, 4096, 4096]}, "an image has 16,777,216 values at most"),
    ):
        path = tmp_path / "network.fsp"
        path.write_bytes(file(n, **changes))
        with pytest.raises(MessageError, match=words):
            load_network(path)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


@pytest.mark.slow
def test_a_script_outside_the_package(mine, tmp_path):
    script = f"""
        import sys; sys.path.insert(0, {str(Path(mine.__file__).parent)!r})
        import outside, torch
        from fedsparse import Experiment, load_network, run

        e = Experiment(model=outside.residual, partition=outside.odd_and_even, regularizer="outside:half", lam=1,
                       clients=4, local_epochs=1, init="fedpm", train_size=200, rounds=2)
        run(e)
        done = run(e.replace(rounds=3))
        assert len(done.history) == 3
        torch.manual_seed(0)
        images = torch.rand(3, 1, 8, 8)
        torch.save([images, done.network(images)], "kept.pt")
        print(done.folder / "network.fsp")
    """
    first = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, encoding="utf-8"
    )
    assert first.returncode == 0, first.stderr
    again = f"""
        import sys; sys.path.insert(0, {str(Path(mine.__file__).parent)!r})
        import outside, torch
        from fedsparse import load_network

        images, logits = torch.load("kept.pt")
        network = load_network({first.stdout.strip()!r}, model=outside.residual)
        assert torch.equal(network(images), logits)
        torch.testing.assert_close(network.to_torch()(images), logits)
    """
    second = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(again)], cwd=tmp_path, capture_output=True, encoding="utf-8"
    )
    assert second.returncode == 0, second.stderr


@pytest.mark.slow
def test_the_script_finds_a_module_in_the_folder_of_the_call(mine, tmp_path):
    shutil.copy(mine.__file__, tmp_path / "outside.py")
    call = [Path(sys.executable).with_name("fedsparse"), "model=outside:mlp", "rounds=1", "train_size=100", "clients=2"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_examples_of_the_guide_run(tmp_path):
    guide = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in guide.split("```python\n")[1:]]
    module = [block for block in blocks if block.startswith("# mine.py\n")]
    assert len(module) == 4
    (tmp_path / "mine.py").write_text("\n".join(module), encoding="utf-8")
    for script in (block for block in blocks if block not in module):
        done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("of 17810\n")
    assert int(done.stdout.split()[0]) < 17810
