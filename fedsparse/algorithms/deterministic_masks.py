"""Deterministic masks: Top-mask (edge-popup, Ramanujan et al., CVPR 2020) and FedMask-style (Li et al., SenSys 2021).

All but the client is FedPM's: the server sends θ, a client one mask, and the mean of masks is the next θ. A client's
scores begin at 2θ − 1, not at logit θ as in FedPM: there, weights on which all clients agreed lie at ±4.6, where no
round at the default learning rate moves them across the threshold (FedMask-style on digits, one seed: 0.90 from round 4
on, against 0.96 after 12 rounds).
"""

import torch
from torch import Tensor

from fedsparse.algorithms.fedpm import FedPM, FedPMState, normal_votes
from fedsparse.client import Client, train_locally
from fedsparse.entropy import kl_divergence
from fedsparse.randomness import uniforms
from fedsparse.wire.masks import Report, decode_theta, encode_mask

TIES = 0.1
"""Many weights have the same θ, and no threshold tells them apart: an offset of at most so much, keyed by the seed and
the same at every client and in every round, breaks ties."""


class DeterministicMasks(FedPM):
    """The base of both. A subclass says which weights the mask keeps, and what gradients go through."""

    def init(self) -> FedPMState:
        """Random scores, as in both papers: θ₀ is the σ of a standard normal."""
        return FedPMState(0, normal_votes(self.layout.n, self.experiment.seed), lam=0.0, rate=0.0)

    def hard(self, scores: Tensor) -> Tensor:
        """The mask, (n,) of zeros and ones."""
        raise NotImplementedError

    def soft(self, scores: Tensor) -> Tensor:
        """What stands in for the mask in the backward pass, (n,)."""
        raise NotImplementedError

    def local_update(self, message: bytes, client: Client) -> bytes:
        """Train scores through the mask (straight-through); the last mask is sent."""
        broadcast = decode_theta(message, self.layout)
        theta = torch.from_numpy(broadcast.theta.probabilities()).to(client.images.device)
        start, e = self.start(theta), self.experiment
        scores, loss = train_locally(start, self._logits, client, e, broadcast.round, e.lr)
        mask = self.hard(scores).cpu().numpy().astype("uint8")
        # A client that tosses no coin has q = m, and KL(m ‖ θ) is the length of m in θ's own code.
        report = Report(client.index, len(client.labels), loss, kl_divergence(mask, theta.cpu().numpy()))
        return encode_mask(mask, report, broadcast, e.codec)

    def start(self, theta: Tensor) -> Tensor:
        """2θ − 1, in [−1, 1], plus offsets that break ties: (n,)."""
        offsets = 2 * uniforms(len(theta), self.experiment.seed, "ties") - 1
        return 2 * theta - 1 + TIES * torch.from_numpy(offsets).float().to(theta.device)

    def _logits(self, scores: Tensor, images: Tensor) -> Tensor:
        soft = self.soft(scores)
        return self.network(images, self.hard(scores.detach()) + (soft - soft.detach()))


class TopMask(DeterministicMasks):
    """In each layer the weights with the top share of scores, ∂m/∂s := 1.

    By value, not by magnitude as in edge-popup's code: a score has a sign here, and a large negative one says no
    (digits, one seed, 15 rounds: 0.95 by value, 0.89 by magnitude, with scores that begin at θ).
    """

    def hard(self, scores: Tensor) -> Tensor:
        """Ones at the `density` · size largest scores of each layer, one at least."""
        parts = []
        for part in scores.split(self.layout.sizes):
            count = max(1, round(self.experiment.density * len(part)))
            parts.append(torch.zeros_like(part).index_fill_(0, part.topk(count, sorted=False).indices, 1.0))
        return torch.cat(parts)

    def soft(self, scores: Tensor) -> Tensor:
        """The scores themselves."""
        return scores


class FedMask(DeterministicMasks):
    """m = [σ(s) > ½], ∂m/∂s := σ'(s); of FedMask the way of training and sending, not its pruning of whole units."""

    def hard(self, scores: Tensor) -> Tensor:
        """Ones where the score is positive."""
        return (scores > 0).to(scores.dtype)

    def soft(self, scores: Tensor) -> Tensor:
        """σ(s)."""
        return torch.sigmoid(scores)
