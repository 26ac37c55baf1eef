"""FedPM (Isik et al., ICLR 2023), and with `lam` > 0 its regularized form (Mestoukirdi et al., arXiv 2309.10834).

The server sends θ. Each client trains scores from logit θ and sends one sampled mask. The mean of the masks is the
next θ.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch

from fedsparse.aggregation import Aggregated, MaskAggregator, collect, means
from fedsparse.algorithms.lambda_schedule import next_lam
from fedsparse.algorithms.state import State
from fedsparse.client import Client, sample_upload, train
from fedsparse.client_fast import FastTrainer
from fedsparse.entropy import kl_divergence, mean_bpp
from fedsparse.errors import MessageError
from fedsparse.experiment import Experiment
from fedsparse.models import MaskedNetwork
from fedsparse.randomness import uniforms
from fedsparse.regularizers import learned
from fedsparse.theta import MAX_LEVELS, Votes
from fedsparse.wire.frame import Kind, kind_of
from fedsparse.wire.masks import MaskBroadcast, Report, decode_theta, encode_mask, encode_sample, encode_theta
from fedsparse.wire.relay import (
    Mask,
    Record,
    decode_relay,
    encode_relay,
    latest_records,
    records_for_client,
    unpack_records,
)


@dataclass(frozen=True, eq=False)
class FedPMState(State):
    """What the server knows between rounds."""

    votes: Votes
    """Since the last reset; before the first round, θ₀ as a fraction."""
    lam: float
    """λ of the coming round, before it is multiplied by `learned`."""
    rate: float
    """Mean size of a mask in the last round that anybody answered, in bpp; 0 before the first."""
    learned: float = 1.0
    """What λ is multiplied by in the coming round."""
    records: tuple[Record, ...] = ()
    """The masks of the latest rounds, for relays; none but with codec=shared."""

    def pack(self) -> dict[str, Any]:
        relayed = np.frombuffer(b"".join(record.pack() for record in self.records), np.uint8).copy()
        numbers = {"round": self.round, "total": self.votes.total, "lam": self.lam, "rate": self.rate}
        numbers["learned"] = self.learned
        return {**numbers, "ones": self.votes.ones, "relayed": relayed}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> "FedPMState":
        records = unpack_records(packed["relayed"].tobytes(), len(packed["ones"]))
        votes = Votes(packed["ones"], packed["total"])
        numbers = packed["round"], votes, packed["lam"], packed["rate"], packed.get("learned", 1.0)
        return cls(*numbers, tuple(records))


def normal_votes(n: int, seed: int) -> Votes:
    """θ₀ = σ of a standard normal, in steps of 1/255: (n,), the same on every machine."""
    normal = torch.special.ndtri(torch.from_numpy(uniforms(n, seed, "scores")))
    return Votes((torch.sigmoid(normal) * MAX_LEVELS).round().long().numpy(), MAX_LEVELS)


class FedPM:
    """The five functions of FedPM, over one frozen network."""

    def __init__(self, experiment: Experiment, network: MaskedNetwork) -> None:
        self.experiment, self.network, self.layout = experiment, network, network.layout
        fast = experiment.engine == "fast"
        self.train = FastTrainer(network, experiment).train if fast else partial(train, network, experiment)
        self.shared_seed = experiment.seed if experiment.codec == "shared" else None
        self.encoded = lru_cache(maxsize=1)(self._encode)  # once a round for all clients: states compare by identity

    def init(self) -> FedPMState:
        """θ = ½ everywhere (2309.10834), or the σ of a standard normal (the published FedPM code) in steps of 1/255."""
        e, n = self.experiment, self.layout.n
        votes = normal_votes(n, e.seed) if e.scores == "normal" else Votes(np.ones(n, np.int64), 2)
        return FedPMState(0, votes, e.lam, rate=0.0, learned=float(e.lam_schedule != "server_loss"))

    def broadcast(self, state: FedPMState, client: int | None = None) -> bytes:
        """θ and λ for the coming round; or, if smaller, the masks since a θ that the client holds."""
        whole = self.encoded(state)
        records = records_for_client(state.records, client)
        return min(whole, encode_relay(records, decode_theta(whole, self.layout)), key=len) if records else whole

    def local_update(self, message: bytes, client: Client) -> bytes:
        """Train from the decoded θ with the decoded λ; one mask m ~ Bernoulli(σ(s)), coded against that θ."""
        broadcast = self._receive(message, client)
        theta = torch.from_numpy(broadcast.theta.probabilities()).to(client.images.device)
        scores, loss = self.train(client, theta, broadcast.round, broadcast.theta.lam)
        q = torch.sigmoid(scores)
        report = Report(client.index, len(client.labels), loss, max(0.0, kl_divergence(q, theta)))
        if self.shared_seed is not None:
            return encode_sample(q.cpu().numpy(), report, broadcast, self.shared_seed)
        mask = sample_upload(scores, self.experiment, broadcast.round, client.index)
        return encode_mask(mask.cpu().numpy(), report, broadcast, self.experiment.codec)

    def aggregate(self, state: FedPMState, updates: Iterable[tuple[int, bytes]], min_updates: int = 0) -> Aggregated:
        """The next θ is the mean of the masks; with `aggregation=beta` votes are kept until the prior's next reset."""
        e, broadcast = self.experiment, decode_theta(self.encoded(state), self.layout)
        previous = state.votes if e.aggregation == "beta" and state.round % e.prior_reset else None
        empty = partial(MaskAggregator, broadcast, self.shared_seed, e.aggregation == "weighted", previous)
        masks, uplink, rejected = collect(updates, empty, min_updates)
        rate = mean_bpp(uplink.values(), self.layout.n)
        measures = {**means(masks.measures), "lam_used": broadcast.theta.lam}
        lam, factor = next_lam(e, state.lam, rate, state.rate, state.learned), state.learned
        if e.lam_schedule == "server_loss" and uplink:
            loss = torch.tensor(measures["loss"], dtype=torch.float64)
            factor = learned(loss, self.network.architecture.classes).item()
        after = FedPMState(state.round + 1, masks.votes(), lam, rate or state.rate, factor)
        if self.shared_seed is not None and e.aggregation != "beta":  # where θ is made of the last round alone
            after = self._with_records(after, state, masks)
        return Aggregated(after, measures, uplink, rejected, masks.measures)

    def parameters(self, state: FedPMState) -> np.ndarray:
        """θ, (n,) float32, as the clients would decode it."""
        return state.votes.theta(self.experiment.clip).probabilities()

    def _encode(self, state: FedPMState) -> bytes:
        theta = state.votes.theta(self.experiment.clip, state.lam * state.learned)
        codec = "packed" if self.experiment.codec == "packed" else "context"
        return encode_theta(theta, state.round + 1, self.layout, codec)

    def _receive(self, message: bytes, client: Client) -> MaskBroadcast:
        """The broadcast in a message; with codec=shared, a client remembers it.

        Raises:
            MessageError: damaged, or a relay that this client cannot follow.
        """
        if self.shared_seed is None:
            return decode_theta(message, self.layout)
        if kind_of(message) != Kind.RELAY:
            broadcast = decode_theta(message, self.layout)
        elif "broadcast" in client.memory:
            held = MaskBroadcast.unpack(client.memory["broadcast"], self.layout)
            broadcast = decode_relay(message, held, self.shared_seed)
        else:
            raise MessageError(f"a relay for client {client.index}, which holds no θ yet")
        client.memory["broadcast"] = broadcast.packed
        return broadcast

    def _with_records(self, after: FedPMState, before: FedPMState, masks: MaskAggregator) -> FedPMState:
        """With the records of the latest rounds, this one's included, while they are smaller than the next θ."""
        clients = tuple(Mask(k, masks.weights[k], masks.choices[k]) for k in sorted(masks.weights))
        latest = Record(after.round, masks.broadcast.theta.fingerprint(), clients)
        records = latest_records([*before.records, latest], len(self._encode(after)))
        return replace(after, records=tuple(records))
