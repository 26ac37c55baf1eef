"""FedPM (Isik et al., ICLR 2023), and with `lam` > 0 its regularized form (Mestoukirdi et al., arXiv 2309.10834).

Down goes θ, up comes one sampled mask a client, and the next θ is how often each weight was wanted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch

from fedsparse import shared
from fedsparse.algorithms.arrivals import Refuse, raised, take
from fedsparse.client import Client, draw, train
from fedsparse.codec import (
    Broadcast,
    Report,
    Theta,
    decode_theta,
    encode_mask,
    encode_sample,
    encode_theta,
    mask_body,
)
from fedsparse.cohort import Cohort
from fedsparse.control import first_lam, next_lam
from fedsparse.entropy import Ledger, kl_divergence
from fedsparse.errors import MessageError
from fedsparse.experiment import Experiment
from fedsparse.models import MaskedNetwork
from fedsparse.randomness import uniforms
from fedsparse.relay import Mask, Record, decode_relay, encode_relay, kept, since, unpack_records
from fedsparse.server import Tally, Votes
from fedsparse.wire import Kind, kind_of

NOTHING = np.zeros(0, np.uint8)


@dataclass(frozen=True)
class FedPMState:
    """What the server knows between rounds: the votes since the last reset; at first, θ₀ as a fraction."""

    round: int
    """Rounds that are done."""
    ones: np.ndarray
    """(n,) int64."""
    total: int
    lam: float
    """λ of the coming round."""
    rate: float
    """Mean size of a mask in the last round that anybody answered, in bpp; 0 before the first."""
    relayed: np.ndarray
    """What the clients sent in the last rounds, uint8 (`relay.Record`): empty but with codec=shared."""

    @property
    def votes(self) -> Votes:
        """`ones` of `total`."""
        return Votes(self.ones, self.total)


class FedPM:
    """The five functions of FedPM, over one frozen network."""

    def __init__(self, experiment: Experiment, network: MaskedNetwork) -> None:
        self.experiment = experiment
        self.masked = network
        self.layout = network.layout
        self.train = Cohort(network, experiment).train if experiment.engine == "cohort" else self._plain
        self.shared = experiment.codec == "shared"
        self._encoded: tuple[np.ndarray, tuple, bytes] | None = None
        self._decoded: tuple[bytes, Broadcast] | None = None
        self._rebuilt: tuple[bytes, int, Broadcast] | None = None
        self._held: tuple[Broadcast, dict] | None = None

    def init(self) -> FedPMState:
        """θ = ½ everywhere (2309.10834), or the σ of a standard normal (the published FedPM code) in steps of 1/255."""
        lam = first_lam(self.experiment)
        if self.experiment.scores == "half":
            return FedPMState(0, np.ones(self.layout.n, np.int64), 2, lam, 0.0, NOTHING)
        normal = torch.special.ndtri(torch.from_numpy(uniforms(self.layout.n, self.experiment.seed, "scores")))
        return FedPMState(0, (torch.sigmoid(normal) * 255).round().long().numpy(), 255, lam, 0.0, NOTHING)

    def broadcast(self, state: FedPMState, client: int | None = None) -> bytes:
        """θ as levels, and λ, for round `state.round` + 1; or the masks since a θ that the client holds, if smaller."""
        whole = self._whole(state)
        records = unpack_records(state.relayed.tobytes(), self.layout.n)
        missed = since(records, client) if client is not None else []
        if not missed:
            return whole
        return min(whole, encode_relay(missed, self._decode(whole)), key=len)

    def local_update(self, message: bytes, client: Client) -> bytes:
        """Train from the decoded θ with the decoded λ; one mask m ~ Bernoulli(σ(s)), coded against that θ."""
        broadcast = self._receive(message, client)
        theta = torch.from_numpy(broadcast.theta.probabilities()).to(client.images.device)
        scores, loss = self.train(client, theta, broadcast.round, broadcast.theta.lam)
        q = torch.sigmoid(scores)
        report = Report(client.index, len(client.labels), loss, max(0.0, kl_divergence(q, theta)))
        if self.shared:
            return encode_sample(q.cpu().numpy(), report, broadcast, self.experiment.seed)
        mask = draw(scores, self.experiment, broadcast.round, client.index)
        return encode_mask(mask.cpu().numpy(), report, broadcast, self.experiment.codec)

    def aggregate(
        self, state: FedPMState, updates: Iterable[bytes], refuse: Refuse = raised
    ) -> tuple[FedPMState, dict[str, float]]:
        """Count the masks into the votes; with `aggregation=beta` the votes are kept until the prior's next reset.

        λ of the next round follows, where there is a target, from the mean size of the updates.
        """
        keep = self.experiment.aggregation == "beta" and state.round % self.experiment.prior_reset != 0
        tally = Tally(
            self._decode(self._whole(state)),
            self.experiment.seed if self.shared else None,
            weighted=self.experiment.aggregation == "weighted",
            before=state.votes if keep else None,
        )
        ledger = Ledger(self.layout.n)
        bodies = []

        def add(update: bytes) -> None:
            tally.add(update)
            ledger.uplink.append(len(update))
            bodies.append(mask_body(update))

        take(updates, add, refuse)
        votes = tally.votes()
        rate = ledger.rates()["bpp_uplink"]
        lam = next_lam(self.experiment, state.round + 1, state.lam, rate, state.rate)
        measures = {**tally.means(), "lam_used": tally.broadcast.theta.lam}
        after = FedPMState(state.round + 1, votes.ones, votes.total, lam, rate or state.rate, NOTHING)
        if self.shared and self.experiment.aggregation != "beta":  # where θ is not made of the last round alone
            after = replace(after, relayed=self._relayed(state, after, tally, bodies))
        return after, measures

    def network(self, state: FedPMState) -> np.ndarray:
        """θ, (n,) float32, as the clients would decode it."""
        return state.votes.theta(self.experiment.clip).probabilities()

    def _plain(self, client: Client, theta: torch.Tensor, round: int, lam: float) -> tuple[torch.Tensor, float]:
        return train(self.masked, client, theta, self.experiment, round, lam)

    def _whole(self, state: FedPMState) -> bytes:
        """θ and λ for round `state.round` + 1, encoded once for all clients."""
        key = (state.round, state.total, state.lam)
        if self._encoded is None or self._encoded[0] is not state.ones or self._encoded[1] != key:
            theta = replace(state.votes.theta(self.experiment.clip), lam=state.lam)
            codec = "packed" if self.experiment.codec == "packed" else "context"
            self._encoded = state.ones, key, encode_theta(theta, state.round + 1, self.layout, codec)
        return self._encoded[2]

    def _relayed(self, before: FedPMState, after: FedPMState, tally: Tally, bodies: list[bytes]) -> np.ndarray:
        """The records of the last rounds, this one's included, while they are smaller than the θ that they lead to."""
        chosen = [shared.choice_of(body, self.layout.n) for body in bodies]
        masks = [Mask(*weight, choice) for weight, choice in zip(tally.weights.items(), chosen, strict=True)]
        latest = Record(after.round, tally.broadcast.theta.fingerprint(), tuple(sorted(masks)))
        records = kept([*unpack_records(before.relayed.tobytes(), self.layout.n), latest], len(self._whole(after)))
        return np.frombuffer(b"".join(record.pack() for record in records), np.uint8).copy()

    def _receive(self, message: bytes, client: Client) -> Broadcast:
        """The broadcast in a message; with codec=shared, a client remembers it.

        Raises:
            MessageError: damaged, or a relay that this client cannot follow.
        """
        if not self.shared:
            return self._decode(message)
        if kind_of(message) == Kind.RELAY:
            if "broadcast" not in client.memory:
                raise MessageError(f"a relay for client {client.index}, which holds no θ yet")
            broadcast = self._rebuild(message, client.memory["broadcast"])
        else:
            broadcast = self._decode(message)
        if self._held is None or self._held[0] is not broadcast:  # one copy, whoever holds it
            theta = {**vars(broadcast.theta), "levels": torch.from_numpy(broadcast.theta.levels)}
            self._held = broadcast, {"round": broadcast.round, "checksum": broadcast.checksum, "theta": theta}
        client.memory["broadcast"] = self._held[1]
        return broadcast

    def _decode(self, message: bytes) -> Broadcast:
        """Every client of a round decodes the same bytes: in one process, once."""
        decoded = self._decoded
        if decoded is None or decoded[0] != message:
            decoded = self._decoded = message, decode_theta(message, self.layout)
        return decoded[1]

    def _rebuild(self, message: bytes, held: dict) -> Broadcast:
        """Likewise for a relay, for all clients that hold the same θ."""
        rebuilt = self._rebuilt
        if rebuilt is None or rebuilt[:2] != (message, held["checksum"]):
            theta = Theta(**{**held["theta"], "levels": held["theta"]["levels"].numpy()})
            before = Broadcast(theta, held["round"], self.layout, held["checksum"])
            rebuilt = self._rebuilt = message, before.checksum, decode_relay(message, before, self.experiment.seed)
        return rebuilt[2]
