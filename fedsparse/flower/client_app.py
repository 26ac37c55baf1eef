"""The client at its node: it loads its own data, answers θ with an update, and never sends what it remembers.

The node config, given when a node is started, says which client it is:

    partition-id    the client, 0 … clients − 1
    data            its data: a folder in place of `data_root`, or with `site_classes` an .npz file of its own

Flower starts a process for every message of a deployment, so the caches below save time only in a simulation.
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
from fedsparse.algorithms.state import storable
from fedsparse.client import Client
from fedsparse.errors import DataError, FedsparseError, MessageError, SettingError
from fedsparse.experiment import Experiment
from fedsparse.flower.run_config import FlowerSettings, from_run_config
from fedsparse.own.site import load_file
from fedsparse.partition import split
from fedsparse.threads import parallel_map

RECORD = "fedsparse"
"""Name of the one record in every message, and of what a client remembers."""

app = ClientApp()


@dataclass(frozen=True)
class LocalData:
    """The images and labels that one client trains on."""

    client: int
    images: torch.Tensor
    labels: torch.Tensor
    shape: tuple[int, int, int]
    classes: int
    fingerprint: int
    """Checksum of the whole data set that this is a part of; with `site_classes`, of the site's own."""


@app.query()
def identify(message: Message, context: Context) -> Message:
    """Which client this node is, its number of images, and a checksum of its data."""

    def answer(experiment: Experiment, local: LocalData) -> dict:
        return {"client": local.client, "samples": len(local.labels), "data": local.fingerprint}

    return _reply(message, context, answer)


@app.train()
def train(message: Message, context: Context) -> Message:
    """One local update, from bytes to bytes."""

    def answer(experiment: Experiment, local: LocalData) -> dict:
        broadcast = payload_of(message)
        algorithm, device = _algorithm(experiment, local.shape, local.classes)
        client = Client(local.client, local.images.to(device), local.labels.to(device), _load_memory(context))
        # One thread in torch's operations, as in the run in one process: sums are then rounded the same.
        (update,) = parallel_map(lambda client: algorithm.local_update(broadcast, client), [client], 1)
        _save_memory(context, client.memory)
        return {"payload": update, "remembers": bool(client.memory)}

    return _reply(message, context, answer)


def record_of(message: Message | MessageError) -> ConfigRecord:
    """The record in a message. Raises `MessageError` if it is or reports an error, or holds no record."""
    if isinstance(message, MessageError):
        raise message
    if message.has_error():
        lines = (message.error.reason or "").strip().splitlines() or ["it does not say why"]
        raise MessageError(f"its app failed: {lines[-1]}")
    record = message.content.get(RECORD) if isinstance(message.content, RecordDict) else None
    if not isinstance(record, ConfigRecord):
        raise MessageError("no bytes of fedsparse in this message")
    if isinstance(error := record.get("error"), str):
        raise MessageError(error)
    return record


def payload_of(message: Message | MessageError) -> bytes:
    """The bytes in a message. Raises `MessageError` if there are none."""
    payload = record_of(message).get("payload")
    if not isinstance(payload, bytes):
        raise MessageError("no bytes of fedsparse in this message")
    return payload


def _reply(message: Message, context: Context, answer: Callable[[Experiment, LocalData], dict]) -> Message:
    """A reply with what `answer` returns; a `FedsparseError` is sent as its one line."""
    try:
        experiment, settings = from_run_config(context.run_config)
        client = context.node_config.get("partition-id")
        if type(client) is not int or not 0 <= client < experiment.clients:
            raise SettingError(f"partition-id={client!r} in the node config: clients are 0 to {experiment.clients - 1}")
        place = str(context.node_config.get("data", experiment.data_root))
        content = answer(experiment, _load(experiment, settings, client, place))
    except FedsparseError as error:
        content = {"error": str(error)}
    return Message(RecordDict({RECORD: ConfigRecord(content)}), reply_to=message)


@cache
def _load(experiment: Experiment, settings: FlowerSettings, client: int, place: str) -> LocalData:
    if settings.site_classes:
        if not place.endswith(".npz"):
            raise DataError(f"site_classes={settings.site_classes}: this node needs data=…/<site>.npz in its config")
        dataset = load_file(Path(place), settings.site_classes)
        images, labels = dataset.x_train, dataset.y_train
    else:
        dataset = data.load_for(experiment, place)
        part = torch.from_numpy(split(dataset.y_train.numpy(), experiment)[client])
        images, labels = dataset.x_train[part], dataset.y_train[part]
    return LocalData(client, images, labels, dataset.shape, dataset.classes, dataset.fingerprint())


@lru_cache(maxsize=1)
def _algorithm(experiment: Experiment, shape: tuple[int, int, int], classes: int):
    network = models.build(experiment, shape, classes)
    return algorithms.make(experiment, network), models.device_of(experiment)


def _load_memory(context: Context) -> dict:
    record = context.state.get(RECORD)
    memory = record.get("memory") if isinstance(record, ConfigRecord) else None
    return torch.load(io.BytesIO(memory), weights_only=True) if isinstance(memory, bytes) else {}


def _save_memory(context: Context, memory: dict) -> None:
    if memory:
        buffer = io.BytesIO()
        torch.save(storable(memory), buffer)
        context.state[RECORD] = ConfigRecord({"memory": buffer.getvalue()})
