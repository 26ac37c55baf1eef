"""The federation on Flower: the same bytes as in one process, whatever clients do that they should not."""

import csv
import dataclasses
import signal
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'fedsparse[flower]'")

from flwr.app import ConfigRecord, Message, RecordDict
from google.protobuf.message import DecodeError as ProtobufError

from fedsparse import DataError, Experiment, Federation, History, MessageError, Run, RunError, SettingError, data, run
from fedsparse.algorithms.fedpm import FedPM
from fedsparse.flower import client_app
from fedsparse.flower.client_app import RECORD, payload_of
from fedsparse.flower.nodes import Nodes
from fedsparse.flower.run_config import FlowerSettings, from_run_config, to_run_config
from fedsparse.flower.server_app import serve
from fedsparse.flower.superlink import SuperLink
from fedsparse.flower.testing import faults
from fedsparse.flower.testing.in_process import InProcessGrid, direct
from fedsparse.run_folder import RunFolder
from fedsparse.wire import frame
from fedsparse.wire.masks import Report
from fedsparse.wire.weights import decode_weights

ROOT = Path(__file__).parents[1]
SHORT = FlowerSettings(node_wait=0, reply_timeout=0.1)


def over_flower(experiment: Experiment, settings: FlowerSettings = SHORT, link=direct, node_configs=None):
    """A run over a grid in this process."""
    grid = InProcessGrid(to_run_config(experiment, settings), node_configs, link)
    return serve(grid, experiment, settings)


def files(folder: Path) -> dict[str, bytes]:
    """What a run leaves, times aside."""
    history = History.from_csv((folder / "history.csv").read_text())
    timeless = History([{**row, "seconds": 0.0} for row in history])
    return {"history": timeless.to_csv().encode(), "network": (folder / "network.fsp").read_bytes()}


def refusals(folder: Path) -> list[dict[str, str]]:
    with open(folder / "refused.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def elsewhere(experiment: Experiment, name: str) -> Experiment:
    return experiment.replace(out=str(Path(experiment.out).with_name(name)))


def spoiling(client: int, spoil, rounds=(1,)):
    """A link on which a client's reply in these rounds is what `spoil` makes of the call (None: no reply)."""

    def link(app, message, context):
        ours = context.node_config["partition-id"] == client and message.metadata.message_type == "train"
        if not ours or int(message.metadata.group_id) not in rounds:
            return app(message, context)
        reply = spoil(app, message, context)
        if isinstance(reply, bytes):
            reply = Message(RecordDict({RECORD: ConfigRecord({"payload": reply})}), reply_to=message)
        return reply

    return link


def spoiling_update(fault):
    """`spoil` from a fault of `fedsparse.flower.testing.faults`."""
    return lambda *call: fault(payload_of(direct(*call)))


def without(experiment: Experiment, lost: set[tuple[int, int]]) -> Run:
    """The run in one process in which the updates of these (round, client) pairs never arrive."""
    return run(experiment, client_backend=faults.without(lost))


def assert_same(got: Run, expected: Run) -> None:
    """Both runs have the same network and, times aside, the same history."""
    assert files(got.folder) == files(expected.folder)


VARIANTS = [
    {"codec": "shared", "cohort": 3, "rounds": 4},
    {"optimizer_state": "kept", "aggregation": "weighted", "size_skew": 1, "lam": 2},
    {"algorithm": "top_mask", "dropout": 0.3, "partition": "classes", "classes_per_client": 4},
    {"algorithm": "fed_mask", "codec": "packed", "evaluate_every": 2},
    {"algorithm": "fedavg", "engine": "plain"},
    {"algorithm": "qsgd", "bits": 2},
    {"algorithm": "eden", "aggregation": "weighted"},
    {"algorithm": "sign_sgd", "cohort": 2, "dropout": 0.3, "rounds": 4},
    {"algorithm": "zeroth_order", "cohort": 2, "dropout": 0.3, "rounds": 4},
    {"algorithm": "fedavg", "down_bits": 8, "cohort": 3, "rounds": 4},
    {"algorithm": "eden", "down_bits": 2, "dropout": 0.3, "rounds": 4, "optimizer_state": "kept"},
    {"algorithm": "qsgd", "down_bits": 4, "codec": "packed", "cohort": 2, "rounds": 5},
    {"aggregation": "beta", "prior_reset": 2, "lam": 1, "rounds": 3},
    {"lam": 20, "lam_schedule": "server_loss", "validation": 0.2, "dropout": 0.3, "rounds": 3},
    {"lam": 20, "lam_schedule": "client_loss", "target_bpp": 0.3},
    {"model": "fedsparse.teaching.resnet:resnet20_quarter", "width": 0.5, "codec": "shared"},
]


@pytest.mark.parametrize("settings", VARIANTS)
def test_a_run_over_flower_is_the_run_in_one_process(tiny, settings):
    there, here = tiny.replace(**settings), elsewhere(tiny, "here").replace(**settings)
    got = over_flower(there)
    assert_same(got, run(here))
    assert not (got.folder / "refused.csv").exists()


@pytest.mark.parametrize("algorithm", ["zeroth_order", "sign_sgd"])
def test_clients_that_lost_their_memory_begin_from_all_rounds(tiny, algorithm):
    """A server that is started again has new nodes here; the run cannot go on without them in one process."""
    there = tiny.replace(algorithm=algorithm, rounds=2)
    over_flower(there)
    with pytest.raises(RunError, match="on their machines"):
        run(there.replace(rounds=4))
    got, here = over_flower(there.replace(rounds=4)), run(elsewhere(there, "here").replace(rounds=4))
    assert files(got.folder)["network"] == files(here.folder)["network"]
    assert not (got.folder / "refused.csv").exists()
    down = [row["downlink_bytes"] for row in got.history], [row["downlink_bytes"] for row in here.history]
    assert [a > b for a, b in zip(*down, strict=True)] == [False, False, True, False]


@pytest.mark.parametrize("remembers", [False, True])
def test_nodes_themselves_say_whether_a_run_can_go_on_without_them(tiny, remembers, monkeypatch):
    """Also with an algorithm of which the server does not know that its clients remember."""

    def with_memory(self, message, client, original=FedPM.local_update):
        client.memory["rounds"] = client.memory.get("rounds", 0) + 1
        return original(self, message, client)

    there = tiny.replace(rounds=1)
    if remembers:
        monkeypatch.setattr(FedPM, "local_update", with_memory)
    over_flower(there)
    if remembers:
        with pytest.raises(RunError, match="on their machines"):
            run(there.replace(rounds=2))
    else:
        assert_same(run(there.replace(rounds=2)), run(elsewhere(tiny, "here").replace(rounds=2)))


def test_nodes_in_any_order_give_the_same_run(tiny):
    shuffled = [{"partition-id": k} for k in (2, 0, 3, 1)]
    assert_same(over_flower(tiny, node_configs=shuffled), run(elsewhere(tiny, "here")))


def of_another_layout(app, message, context):
    wider = Federation(Experiment.of({**from_run_config(context.run_config)[0].settings, "width": 0.1}))
    return wider.algorithm.local_update(wider.algorithm.broadcast(wider.state), wider.clients[1])


def with_checksum(update: bytearray) -> bytes:
    checksum = zlib.crc32(update[frame.HEADER_BYTES :], zlib.crc32(update[: frame.HEADER.size]))
    update[frame.HEADER.size : frame.HEADER_BYTES] = frame.CHECKSUM.pack(checksum)
    return bytes(update)


def claiming(client: int, samples: int) -> faults.Fault:
    """An honest update, except for the client and samples that it names; the checksum is right."""

    def claim(update: bytes) -> bytes:
        end = frame.HEADER_BYTES + frame.CLAIM.size
        return with_checksum(bytearray(update[: frame.HEADER_BYTES] + frame.CLAIM.pack(client, samples) + update[end:]))

    return claim


FAULTS = {
    "its app raises": (spoiling_update(faults.raising), "no space left", 0),
    "silence, as of a killed process": (spoiling_update(faults.killed), "no answer within 0.1 s", 0),
    "garbage": (lambda *_: bytes(500), "magic", 500),
    "nothing": (lambda *_: b"", "too short", 0),
    "truncated": (spoiling_update(faults.truncated), "header announces", None),
    "one bit": (spoiling_update(faults.flipped), "checksum", None),
    "another layout": (of_another_layout, "another layout", None),
    "no bytes": (lambda _, m, c: Message(RecordDict({"x": ConfigRecord({"y": 1.0})}), reply_to=m), "no bytes", 0),
    "another client's name": (spoiling_update(claiming(2, 50)), "says that it is client 2", None),
    "more images than it has": (spoiling_update(claiming(1, 10**6)), "with 1000000 images", None),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("algorithm", ["fedpm", "sign_sgd", "zeroth_order"])
def test_a_client_that_fails_is_left_out_of_the_round_and_is_back_in_the_next(tiny, fault, algorithm):
    tiny = tiny.replace(algorithm=algorithm, aggregation="weighted")
    spoil, why, size = FAULTS[fault]
    got = over_flower(tiny, link=spoiling(1, spoil))
    assert_same(got, without(elsewhere(tiny, "here"), {(1, 1)}))
    assert [row["cohort"] for row in got.history] == [3, 4]
    (refused,) = refusals(got.folder)
    assert (refused["round"], refused["client"]) == ("1", "1")
    assert why in refused["why"]
    assert size is None or refused["bytes"] == str(size)


def test_a_schedule_of_faults_hits_those_clients_and_no_others(tiny):
    schedule = {(2, 0): faults.killed, (2, 1): faults.raising, (2, 2): faults.garbage, (3, 0): faults.truncated}
    stale = faults.stale()
    schedule |= {(3, 1): faults.flipped, (2, 3): stale, (3, 3): stale}
    got = over_flower(tiny.replace(rounds=3), link=faults.faulty(schedule))
    assert_same(got, without(elsewhere(tiny, "here").replace(rounds=3), set(schedule) - {(2, 3)}))
    whys = {(r["round"], r["client"]): r["why"] for r in refusals(got.folder)}
    assert sorted(whys) == [("2", "0"), ("2", "1"), ("2", "2"), ("3", "0"), ("3", "1"), ("3", "3")]
    assert "a mask of round 2; this is round 3" in whys["3", "3"]
    assert "no space left" in whys["2", "1"]


def test_an_update_is_counted_once_however_often_it_comes(tiny):
    grid = InProcessGrid(to_run_config(tiny, SHORT))
    pull = grid.pull_messages
    grid.pull_messages = lambda ids: [m for m in pull(ids) for _ in range(2)]
    assert_same(serve(grid, tiny, SHORT), run(elsewhere(tiny, "here")))


def test_a_reply_counts_for_whom_it_was_asked_of_whatever_it_says_of_its_sender(tiny):
    """The metadata inside a reply are its sender's to write: here client 1 signs as client 2, and comes first."""
    grid = InProcessGrid(to_run_config(tiny, SHORT))
    push = grid.push_messages

    def pushed(messages):
        messages = list(messages)
        ids = push(messages)
        if messages[0].metadata.message_type == "train" and messages[0].metadata.group_id == "1":
            liar, honest = (grid.replies[ids[k]] for k in (1, 2))
            liar.content[RECORD]["payload"] = payload_of(honest)
            liar.metadata.__dict__.update(
                _src_node_id=honest.metadata.src_node_id, _reply_to_message_id=honest.metadata.reply_to_message_id
            )
        return ids

    grid.push_messages = pushed
    got = serve(grid, tiny, SHORT)
    assert_same(got, without(elsewhere(tiny, "here"), {(1, 1)}))
    assert [(r["client"], r["why"][:30]) for r in refusals(got.folder)] == [("1", "it says that it is client 2 wi")]


@pytest.mark.parametrize("error", [ValueError("children"), KeyError("id"), ProtobufError("cut off")])
def test_a_reply_that_flower_cannot_read_is_refused_like_any_other(tiny, error):
    grid = InProcessGrid(to_run_config(tiny, SHORT))
    pull = grid.pull_messages

    def unreadable(ids):
        replies = pull(ids)
        for reply in replies:
            client = grid.contexts[reply.metadata.src_node_id].node_config["partition-id"]
            if (reply.metadata.message_type, reply.metadata.group_id, client) == ("train", "1", 1):
                raise error
        return replies

    grid.pull_messages = unreadable
    got = serve(grid, tiny, SHORT)
    assert_same(got, without(elsewhere(tiny, "here"), {(1, 1)}))
    assert refusals(got.folder)[0]["why"] == "a reply that Flower cannot read"


def test_what_a_node_says_is_noted_in_one_short_printable_line(tiny):
    def talks(app, message, context):
        return Message(RecordDict({RECORD: ConfigRecord({"error": "\x1b[2J" + "no\n" * 10**5})}), reply_to=message)

    got = over_flower(tiny, link=spoiling(1, talks))
    (refused,) = refusals(got.folder)
    assert refused["why"].isprintable()
    assert len(refused["why"]) <= 300


def restarted(tiny, after: int) -> InProcessGrid:
    """Two nodes with client 3, of which the first has left once Flower has listed it so often."""
    grid = InProcessGrid(to_run_config(tiny, SHORT), [{"partition-id": k} for k in (0, 1, 2, 3, 3)])
    everyone, asked = grid.get_node_ids(), []
    grid.get_node_ids = lambda: asked.append(1) or [n for n in everyone if len(asked) <= after or n != everyone[3]]
    return grid


def test_a_node_whose_client_is_taken_replaces_the_other_node_once_that_has_left(tiny):
    """As happens when a node is restarted while Flower still lists the dead one."""
    assert [row["cohort"] for row in serve(restarted(tiny, 1), tiny, SHORT).history] == [4, 4]


@pytest.mark.parametrize("settings", [{"codec": "shared"}, {"algorithm": "sign_sgd"}])
def test_a_node_that_takes_another_ones_client_over_is_sent_all(tiny, settings):
    tiny = tiny.replace(rounds=4, model="conv2", width=0.3, **settings)
    assert [row["cohort"] for row in serve(restarted(tiny, 2), tiny, SHORT).history] == [4, 4, 4, 4]


def test_a_node_that_left_and_came_back_is_asked_again(tiny):
    """With node keys it comes back with the same id, and its mistake may have been corrected."""
    grid = InProcessGrid(to_run_config(tiny, SHORT), [{"partition-id": k} for k in (0, 1, 2, 9)])
    everyone, asked = grid.get_node_ids(), []

    def present():
        asked.append(1)
        if len(asked) == 2:
            grid.contexts[everyone[3]].node_config["partition-id"] = 3
        return everyone[:3] if len(asked) == 2 else everyone

    grid.get_node_ids = present
    assert [row["cohort"] for row in serve(grid, tiny.replace(rounds=3), SHORT).history] == [3, 3, 4]


def test_a_client_that_sends_the_largest_updates_ruins_the_network_but_not_the_run(tiny):
    def enormous(app, message, context):
        federation = Federation(from_run_config(context.run_config)[0])
        received, me = payload_of(message), federation.clients[1]
        start = decode_weights(received, federation.network.layout)
        report = Report(1, len(me.labels), 0.0, 0.0)
        return federation.algorithm.compress(np.full(start.layout.n, 500, np.float32), report, start)

    e = tiny.replace(algorithm="fedavg", clients=2, rounds=8, local_epochs=1)
    got = over_flower(e, link=spoiling(1, enormous, range(1, 9)))
    assert len(got.history) == 8


@pytest.mark.parametrize("codec", ["context", "packed", "shared"])
def test_bytes_that_decode_but_that_no_encoder_makes_end_no_run(tiny, codec):
    def noise(update):
        kept = frame.HEADER_BYTES + 16
        return with_checksum(bytearray(update[:kept] + np.random.default_rng(0).bytes(len(update) - kept)))

    got = over_flower(tiny.replace(codec=codec), link=spoiling(1, spoiling_update(noise)))
    assert got.history.last["cohort"] == 4


@pytest.mark.parametrize("algorithm", ["fedpm", "fedavg"])
def test_with_too_few_updates_theta_stays_as_it_was(tiny, algorithm):
    settings = FlowerSettings(node_wait=0, reply_timeout=0.1, min_updates=4)
    tiny = tiny.replace(algorithm=algorithm)
    got = over_flower(tiny, settings, link=spoiling(0, lambda *_: None, rounds=(2,)))
    after_one_round = over_flower(elsewhere(tiny, "one").replace(rounds=1), settings)
    assert [row["cohort"] for row in got.history] == [4, 0]
    assert got.history.last["uplink_bytes"] == 0
    states = [RunFolder(r.experiment).load()["state"] for r in (got, after_one_round)]
    assert [state.pop("round") for state in states] == [2, 1]
    for name, value in states[1].items():
        assert torch.equal(torch.as_tensor(states[0][name]), torch.as_tensor(value)), name
    reasons = {r["client"]: r["why"] for r in refusals(got.folder)}
    assert reasons.pop("0") == "no answer within 0.1 s"
    assert reasons == dict.fromkeys("123", "3 usable updates in this round, and the minimum is 4")


def test_who_fell_silent_is_sent_theta_whole(tiny):
    kinds = []

    def silent_once(app, message, context):
        if message.metadata.message_type == "train" and context.node_config["partition-id"] == 2:
            kinds.append(frame.Kind(frame.kind_of(payload_of(message))))
            context.state.clear() if message.metadata.group_id == "3" else None  # its process was started anew
            return None if message.metadata.group_id == "3" else app(message, context)
        return app(message, context)

    got = over_flower(tiny.replace(codec="shared", rounds=5, model="conv2", width=0.3), link=silent_once)
    assert kinds == [frame.Kind.THETA, frame.Kind.RELAY, frame.Kind.RELAY, frame.Kind.THETA, frame.Kind.RELAY]
    assert [row["cohort"] for row in got.history] == [4, 4, 3, 4, 4]


def test_who_fell_silent_is_sent_every_step_that_it_may_have_lost(tiny):
    received = []

    def silent_once(app, message, context):
        if message.metadata.message_type == "train" and context.node_config["partition-id"] == 2:
            received.append(payload_of(message))
            context.state.clear() if message.metadata.group_id == "3" else None  # its process was started anew
            return None if message.metadata.group_id == "3" else app(message, context)
        return app(message, context)

    e = tiny.replace(algorithm="fedavg", down_bits=4, codec="packed", rounds=5)
    got = over_flower(e, link=silent_once)
    sizes = [len(message) - frame.HEADER_BYTES for message in received]
    assert sizes == [steps * sizes[1] for steps in (0, 1, 1, 3, 1)]
    assert [row["cohort"] for row in got.history] == [4, 4, 3, 4, 4]


def test_after_a_restart_everybody_can_still_follow(tiny):
    e = tiny.replace(algorithm="eden", down_bits=2)
    over_flower(e)
    got, whole = over_flower(e.replace(rounds=4)), run(elsewhere(e, "whole").replace(rounds=4))
    assert files(got.folder)["network"] == files(whole.folder)["network"]
    assert got.history[2]["downlink_bytes"] > whole.history[2]["downlink_bytes"]
    assert got.history[3]["downlink_bytes"] == whole.history[3]["downlink_bytes"]
    with pytest.raises(RunError, match="flwr run"):
        run(e.replace(rounds=5))


def test_the_server_waits_for_its_nodes_and_no_longer_than_it_was_told(tiny):
    grid = InProcessGrid(to_run_config(tiny, SHORT))
    everyone, calls = grid.get_node_ids(), []
    grid.get_node_ids = lambda: calls.append(1) or everyone[: len(calls)]
    got = serve(grid, tiny, FlowerSettings(node_wait=20, reply_timeout=0.1))
    assert [row["cohort"] for row in got.history] == [4, 4]
    grid = InProcessGrid(to_run_config(tiny, SHORT), [{"partition-id": k} for k in (0, 2)])
    late = serve(grid, elsewhere(tiny, "two"), SHORT)
    expected = without(elsewhere(tiny, "here"), {(1, 1), (1, 3), (2, 1), (2, 3)})
    assert late.history.last["uplink_bytes"] == expected.history.last["uplink_bytes"]
    assert late.history.last["downlink_bytes"] == expected.history.last["downlink_bytes"] / 2, "sent to two, not four"
    grid.get_node_ids = list
    with pytest.raises(RunError, match="no node within node_wait=0 s"):
        serve(grid, elsewhere(tiny, "none"), SHORT)


def test_a_node_that_cannot_take_part_is_rejected_once_and_the_run_goes_on(tiny):
    configs = [{"partition-id": k} for k in (0, 1, 2, 3, 3, 9)] + [{}]
    got = over_flower(tiny, node_configs=configs)
    assert_same(got, run(elsewhere(tiny, "here")))
    whys = [r["why"] for r in refusals(got.folder)]
    assert len(whys) == 3, "once each, not once a round"
    assert "client 3 is node" in whys[0]
    assert "partition-id=9" in whys[1]
    assert "clients are 0 to 3" in whys[2]
    with pytest.raises(RunError, match="partition-id=9"):
        over_flower(elsewhere(tiny, "none"), node_configs=[{"partition-id": 9}])


def test_a_node_with_other_data_than_the_servers_is_refused(tiny, tmp_path):
    for name, pixel in (("mine", 1), ("theirs", 2)):
        site(tmp_path / name / "own.npz", list(range(5)) * 40, pixel)
    tiny = tiny.replace(dataset="own", data_root=str(tmp_path / "mine"))
    configs = [{"partition-id": k} for k in range(3)] + [{"partition-id": 3, "data": str(tmp_path / "theirs")}]
    got = over_flower(tiny, node_configs=configs)
    assert "other data than the server" in refusals(got.folder)[0]["why"]
    assert got.history.last["cohort"] == 3


def site(file: Path, labels: list[int], pixel: int = 0) -> None:
    """An .npz of 8×8 images with these labels, bright where the label says."""
    x = np.full((len(labels), 8, 8), pixel, np.uint8)
    x[np.arange(len(labels)), labels] = 255
    file.parent.mkdir(exist_ok=True)
    np.savez(file, x_train=x, y_train=np.array(labels), x_test=x[:5], y_test=np.array(labels[:5]))


def test_each_site_may_bring_its_own_data_and_counts_by_its_samples(tiny, tmp_path):
    site(tmp_path / "own.npz", [0, 1, 2, 3, 4, 5])
    site(tmp_path / "a.npz", [0, 5] * 30)
    site(tmp_path / "b.npz", [1, 2, 3] * 4)
    e = tiny.replace(dataset="own", data_root=str(tmp_path), clients=2, aggregation="weighted", train_size=0)
    settings = FlowerSettings(node_wait=0, reply_timeout=0.1, site_classes=6)
    sites = [{"partition-id": k, "data": str(tmp_path / f"{name}.npz")} for k, name in enumerate("ab")]
    grid = InProcessGrid(to_run_config(e, settings), sites)
    nodes: list[Nodes] = []
    federation = Federation(e, client_backend=lambda *of: nodes.append(Nodes(grid, settings, None, *of)) or nodes[0])
    row = federation.round()
    assert [nodes[0].nodes[k].samples for k in (0, 1)] == [60, 12]
    assert federation.state.votes.total == 6, "60 and 12 samples, in smallest terms"
    assert np.isnan(row["accuracy_client_mean"])
    sites[1] = {"partition-id": 1}
    got = over_flower(e, settings, node_configs=sites)
    assert "needs data=" in refusals(got.folder)[0]["why"]
    with pytest.raises(DataError, match="has 6 classes"):
        over_flower(elsewhere(e, "other"), FlowerSettings(site_classes=7), node_configs=sites)


@pytest.mark.parametrize("rounds", [2, 3])
def test_a_run_goes_on_only_with_the_sites_data_that_it_had(tiny, tmp_path, rounds):
    site(tmp_path / "own.npz", [0, 1, 2, 3, 4, 5])
    for name in "ab":
        site(tmp_path / f"{name}.npz", [0, 5] * 30)
    e = tiny.replace(dataset="own", data_root=tmp_path, clients=2, train_size=0)
    settings = FlowerSettings(node_wait=0, reply_timeout=0.1, site_classes=6)
    sites = [{"partition-id": k, "data": str(tmp_path / f"{name}.npz")} for k, name in enumerate("ab")]
    done = over_flower(e, settings, node_configs=sites)
    fewer = over_flower(e, settings, node_configs=sites[:1])
    assert fewer.history.to_csv() == done.history.to_csv(), "those that are there hold what they held"
    longer = e.replace(rounds=rounds)
    with pytest.raises(RunError, match="with other images at its clients"):
        run(longer)
    with pytest.raises(RunError, match="with min_updates=1"):
        over_flower(longer, dataclasses.replace(settings, min_updates=2), node_configs=sites)
    client_app._load.cache_clear()
    site(tmp_path / "b.npz", [0, 5] * 31)
    if rounds == 2:
        with pytest.raises(RunError, match="with other images at client 1: choose another folder"):
            over_flower(longer, settings, node_configs=sites)
    else:  # nothing that a node does ends a run
        got = over_flower(longer, settings, node_configs=sites)
        assert got.history.last["cohort"] == 1
        assert "client 1 has other data than earlier in this run" in refusals(got.folder)[-1]["why"]


def test_a_site_whose_data_change_during_a_run_is_left_out(tiny, tmp_path):
    site(tmp_path / "own.npz", [0, 1, 2, 3, 4, 5])
    e = tiny.replace(dataset="own", data_root=tmp_path, clients=2, train_size=0)
    nodes = Nodes(None, FlowerSettings(site_classes=6), None, e, data.load("own", tmp_path), None)
    nodes.restore(None, {"client 1": 7})
    nodes._add(1, {"client": 0, "samples": 5, "data": 3})
    with pytest.raises(MessageError, match="client 1 has other data than earlier in this run"):
        nodes._add(2, {"client": 1, "samples": 5, "data": 8})
    nodes._add(2, {"client": 1, "samples": 5, "data": 7})
    assert nodes.holdings() == {"client 0": 3, "client 1": 7}


def test_a_run_in_one_process_is_the_run_over_flower(tiny):
    done = run(tiny)
    again = over_flower(tiny, node_configs=[])
    assert again.history.to_csv() == done.history.to_csv(), "no node is asked: it holds what the server has dealt"


SERVER = """
import os, signal, sys
from fedsparse import Experiment
from fedsparse.flower.testing.in_process import InProcessGrid
from fedsparse.flower.superlink import SuperLink
from fedsparse.flower.server_app import serve
from fedsparse.flower.run_config import to_run_config

def link(app, message, context):
    if message.metadata.group_id == "4" and context.node_config["partition-id"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return app(message, context)

e = Experiment(**eval(sys.argv[1]))
serve(InProcessGrid(to_run_config(e), link=link), e)
"""


@pytest.mark.slow
def test_a_server_killed_in_the_fourth_round_is_started_again_and_ends_the_same(tiny):
    e = tiny.replace(rounds=5, lam=2)
    killed = subprocess.run([sys.executable, "-c", SERVER, repr(e.settings)], cwd=ROOT, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(RunFolder(e).load()["history"]) == 3
    assert_same(over_flower(e), run(elsewhere(e, "whole")))


def test_after_a_restart_everybody_is_sent_theta_whole_and_the_network_is_the_same(tiny):
    e = tiny.replace(codec="shared", model="conv2", width=0.3)
    over_flower(e)
    got, whole = over_flower(e.replace(rounds=4)), run(elsewhere(e, "whole").replace(rounds=4))
    assert files(got.folder)["network"] == files(whole.folder)["network"]
    assert got.history[2]["downlink_bytes"] > whole.history[2]["downlink_bytes"]
    assert got.history[3]["downlink_bytes"] == whole.history[3]["downlink_bytes"]


def test_moments_that_are_gone_are_not_made_up(tiny):
    e = tiny.replace(optimizer_state="kept")
    over_flower(e)
    with pytest.raises(RunError, match="moments ended with the server"):
        over_flower(e.replace(rounds=3))
    with pytest.raises(RunError, match="flwr run"):
        run(e.replace(rounds=3))


def test_a_run_goes_on_in_one_process_and_back(tiny):
    over_flower(tiny.replace(rounds=1))
    run(tiny.replace(rounds=2))
    got = over_flower(tiny.replace(rounds=3))
    assert_same(got, run(elsewhere(tiny, "here").replace(rounds=3)))


class Started:
    """In place of a SuperLink with `flwr run`: the app over a grid in this process, `spoil`ed at its end."""

    runs = 0
    spoil = staticmethod(lambda folder: None)

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, app, config, options, timeout):
        def link(*call):
            Started.runs += call[1].metadata.message_type == "train"
            return direct(*call)

        experiment, settings = from_run_config(config)
        Started.spoil(serve(InProcessGrid(config, link=link), experiment, settings).folder)


@pytest.mark.slow
def test_a_simulation_is_made_each_time_and_compared_down_to_theta(tiny, monkeypatch):
    from fedsparse.flower import command as simulation

    monkeypatch.setattr(simulation, "SuperLink", Started)
    for done in (1, 2):
        assert "8 of 8 updates used" in simulation.simulate(tiny, ROOT / "flower_app", 60)
        assert Started.runs == 8 * done

    def other_theta(folder):
        saved = torch.load(folder / "checkpoint", weights_only=True)
        saved["state"]["ones"][0] += 1
        torch.save(saved, folder / "checkpoint")

    monkeypatch.setattr(Started, "spoil", staticmethod(other_theta))
    with pytest.raises(RunError, match="does not hold the θ"):
        simulation.simulate(tiny, ROOT / "flower_app", 60)


def test_without_flowers_programs_a_simulation_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="pip install"), SuperLink():
        pass


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("lamda", 1, "did you mean 'lam'"),
        ("reply_timout", 1, "did you mean 'reply_timeout'"),
        ("rounds", "many", "rounds='many' is not a whole number"),
        ("min_updates", 1.5, "min_updates=1.5 is not a whole number"),
        ("node_wait", -1, "node_wait=-1"),
        ("reply_timeout", 0, "reply_timeout=0"),
        ("site_classes", True, "site_classes=True"),
    ],
)
def test_a_wrong_run_config_is_refused_in_one_line(name, value, line):
    with pytest.raises(SettingError, match=line):
        from_run_config(to_run_config(Experiment()) | {name: value})


def test_the_app_has_every_setting_with_its_default():
    app = tomllib.loads((ROOT / "flower_app" / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    assert app["config"] == to_run_config(Experiment())
    assert list(app["config"]) == list(to_run_config(Experiment()))
    assert from_run_config(app["config"]) == (Experiment(), FlowerSettings())
    assert "federations" not in app
    assert app["components"] == {
        "serverapp": "fedsparse.flower.server_app:app",
        "clientapp": "fedsparse.flower.client_app:app",
    }


@pytest.mark.slow
def test_nothing_of_flower_is_loaded_with_fedsparse():
    code = "import sys, fedsparse; assert not [m for m in sys.modules if m.split('.')[0] in ('flwr', 'ray')]"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.slow
def test_a_client_loads_neither_what_draws_nor_what_serves():
    heavy = "('ray', 'matplotlib', 'pandas', 'hydra', 'torchvision')"
    code = f"import sys, fedsparse.flower.client_app; assert not (set({heavy}) & set(sys.modules)), sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
