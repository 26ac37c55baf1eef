"""FedPM (Isik et al., ICLR 2023), and with `lam` > 0 its regularized form (Mestoukirdi et al., arXiv 2309.10834).

Down goes θ, up comes one sampled mask a client, and the next θ is how often each weight was wanted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch

from fedsparse.client import Client, draw, train
from fedsparse.codec import Broadcast, Report, decode_theta, encode_mask, encode_theta
from fedsparse.cohort import Cohort
from fedsparse.control import first_lam, next_lam
from fedsparse.entropy import Ledger, kl_divergence
from fedsparse.experiment import Experiment
from fedsparse.models import MaskedNetwork
from fedsparse.randomness import uniforms
from fedsparse.server import Tally, Votes


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
        self._decoded: tuple[bytes, Broadcast] | None = None

    def init(self) -> FedPMState:
        """θ = ½ everywhere (2309.10834), or the σ of a standard normal (the published FedPM code) in steps of 1/255."""
        lam = first_lam(self.experiment)
        if self.experiment.scores == "half":
            return FedPMState(0, np.ones(self.layout.n, np.int64), 2, lam, 0.0)
        normal = torch.special.ndtri(torch.from_numpy(uniforms(self.layout.n, self.experiment.seed, "scores")))
        return FedPMState(0, (torch.sigmoid(normal) * 255).round().long().numpy(), 255, lam, 0.0)

    def broadcast(self, state: FedPMState) -> bytes:
        """θ as levels, and λ, for round `state.round` + 1."""
        theta = replace(state.votes.theta(self.experiment.clip), lam=state.lam)
        return encode_theta(theta, state.round + 1, self.layout, self.experiment.codec)

    def local_update(self, message: bytes, client: Client) -> bytes:
        """Train from the decoded θ with the decoded λ; one mask m ~ Bernoulli(σ(s)), coded against that θ."""
        broadcast = self._decode(message)
        theta = torch.from_numpy(broadcast.theta.probabilities()).to(client.images.device)
        scores, loss = self.train(client, theta, broadcast.round, broadcast.theta.lam)
        mask = draw(scores, self.experiment, broadcast.round, client.index)
        kl = kl_divergence(torch.sigmoid(scores), theta)
        report = Report(client.index, len(client.labels), loss, max(0.0, kl))
        return encode_mask(mask.cpu().numpy(), report, broadcast, self.experiment.codec)

    def aggregate(self, state: FedPMState, updates: Iterable[bytes]) -> tuple[FedPMState, dict[str, float]]:
        """Count the masks into the votes; with `aggregation=beta` the votes are kept until the prior's next reset.

        λ of the next round follows, where there is a target, from the mean size of the updates.
        """
        keep = self.experiment.aggregation == "beta" and state.round % self.experiment.prior_reset != 0
        tally = Tally(
            self._decode(self.broadcast(state)),
            weighted=self.experiment.aggregation == "weighted",
            before=state.votes if keep else None,
        )
        ledger = Ledger(self.layout.n)
        for update in updates:
            tally.add(update)
            ledger.uplink.append(len(update))
        votes = tally.votes()
        rate = ledger.rates()["bpp_uplink"]
        lam = next_lam(self.experiment, state.round + 1, state.lam, rate, state.rate)
        measures = {**tally.means(), "lam_used": tally.broadcast.theta.lam}
        return FedPMState(state.round + 1, votes.ones, votes.total, lam, rate or state.rate), measures

    def network(self, state: FedPMState) -> np.ndarray:
        """θ, (n,) float32, as the clients would decode it."""
        return state.votes.theta(self.experiment.clip).probabilities()

    def _plain(self, client: Client, theta: torch.Tensor, round: int, lam: float) -> tuple[torch.Tensor, float]:
        return train(self.masked, client, theta, self.experiment, round, lam)

    def _decode(self, message: bytes) -> Broadcast:
        """Every client of a round decodes the same bytes: in one process, once."""
        if self._decoded is None or self._decoded[0] != message:
            self._decoded = message, decode_theta(message, self.layout)
        return self._decoded[1]
