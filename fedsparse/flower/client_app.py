"""The client at its node: it loads its own data, answers θ with an update, and keeps what it remembers to itself.

A node is told who it is when it is started, by its node config:

    partition-id    which client it is, 0 … clients − 1
    data            its data: a folder in place of `data_root`, or, where every site brings its own, an .npz file

Flower starts a process for every message: what is cached here lasts for a simulation's workers, and costs a deployment
nothing.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import torch
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from fedsparse import algorithms, data, models
from fedsparse.client import Client
from fedsparse.errors import DataError, FedsparseError, MessageError, SettingError
from fedsparse.experiment import Experiment
from fedsparse.flower.run_config import Terms, read
from fedsparse.partition import split
from fedsparse.threads import parallel_map

RECORD = "fedsparse"
"""Name of the one record in every message, and of what a client remembers."""

app = ClientApp()


@dataclass(frozen=True)
class Holding:
    """What one node holds."""

    client: int
    images: torch.Tensor
    labels: torch.Tensor
    shape: tuple[int, int, int]
    classes: int
    fingerprint: int
    """Of the whole set that this is a part of; of its own data, where a site brings its own."""


@app.query()
def hello(message: Message, context: Context) -> Message:
    """Who this node is: its client, its number of images, a checksum of its data."""

    def answer(experiment: Experiment, terms: Terms) -> dict:
        mine = _holding(experiment, terms, context)
        return {"client": mine.client, "samples": len(mine.labels), "data": mine.fingerprint}

    return _reply(message, context, answer)


@app.train()
def train(message: Message, context: Context) -> Message:
    """One local update, from bytes to bytes."""

    def answer(experiment: Experiment, terms: Terms) -> dict:
        received = payload_of(message)
        mine = _holding(experiment, terms, context)
        algorithm, device = _algorithm(experiment, mine.shape, mine.classes)
        client = Client(mine.client, mine.images.to(device), mine.labels.to(device), _memory(context))
        (update,) = parallel_map(lambda one: algorithm.local_update(received, one), [client], 1)
        _remember(context, client.memory)
        return {"payload": update}

    return _reply(message, context, answer)


def payload_of(message: Message) -> bytes:
    """The bytes in a message, of whatever it may be. Raises `MessageError` if there are none."""
    record = message.content.get(RECORD) if message.has_content() else None
    payload = record.get("payload") if isinstance(record, ConfigRecord) else None
    if not isinstance(payload, bytes):
        raise MessageError("no bytes of fedsparse in this message")
    return payload


def _reply(message: Message, context: Context, answer: Callable[[Experiment, Terms], dict]) -> Message:
    """What `answer` says; a mistake that has a line to itself is sent as that line."""
    try:
        said = answer(*read(context.run_config))
    except FedsparseError as error:
        said = {"error": str(error)}
    return Message(RecordDict({RECORD: ConfigRecord(said)}), reply_to=message)


def _holding(experiment: Experiment, terms: Terms, context: Context) -> Holding:
    client = context.node_config.get("partition-id")
    if type(client) is not int or not 0 <= client < experiment.clients:
        raise SettingError(f"partition-id={client!r} in the node config: clients are 0 to {experiment.clients - 1}")
    place = str(context.node_config.get("data", experiment.data_root))
    return _load(experiment, terms.site_classes, client, place)


@cache
def _load(experiment: Experiment, site_classes: int, client: int, place: str) -> Holding:
    if site_classes:
        if not place.endswith(".npz"):
            raise DataError(f"site_classes={site_classes}: this node needs data=…/<site>.npz in its node config")
        dataset = data.load_file(Path(place), site_classes)
        images, labels = dataset.x_train, dataset.y_train
    else:
        dataset = data.load(experiment.dataset, place, experiment.train_size, experiment.seed)
        mine = torch.from_numpy(split(dataset.y_train.numpy(), experiment)[client])
        images, labels = dataset.x_train[mine], dataset.y_train[mine]
    return Holding(client, images, labels, dataset.shape, dataset.classes, dataset.fingerprint())


@lru_cache(maxsize=1)
def _algorithm(experiment: Experiment, shape: tuple[int, int, int], classes: int):
    network = models.build(experiment, shape, classes)
    return algorithms.make(experiment, network), models.device_of(experiment)


def _memory(context: Context) -> dict:
    kept = context.state.get(RECORD)
    memory = kept.get("memory") if isinstance(kept, ConfigRecord) else None
    return torch.load(io.BytesIO(memory), weights_only=True) if isinstance(memory, bytes) else {}


def _remember(context: Context, memory: dict) -> None:
    if memory:
        buffer = io.BytesIO()
        torch.save(memory, buffer)
        context.state[RECORD] = ConfigRecord({"memory": buffer.getvalue()})
