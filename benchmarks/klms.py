"""(i) The coder of this package beside the one that KLMS published, on the probabilities of one trained client.

KLMS (Isik, Pase et al., AISTATS 2024, arXiv 2306.12625) cuts the mask into blocks of consecutive parameters, draws
2^bits candidates of each from θ with a shared seed, and sends the index of one, chosen with probability proportional to
its importance weight (minimal random coding). Blocks are of equal length; or adaptive, so long that each has a given
KL, `longest` at most, and then their lengths are sent too. Written here from that description, with the same kind of
random bits as the package's coder. Where the borders of an earlier round still serve, the column *borders* is saved.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.measure import table
from fedsparse import Experiment
from fedsparse.algorithms.fedpm import FedPM
from fedsparse.entropy import kl_divergence
from fedsparse.federation import Federation
from fedsparse.randomness import philox
from fedsparse.wire import shared_randomness
from fedsparse.wire.masks import decode_theta
from fedsparse.wire.shared_randomness import Key

ROUNDS, SEEDS, DRAWS = 10, 3, 4


class Klms(NamedTuple):
    """The coder of KLMS."""

    bits: int
    longest: int
    """Parameters of a block, at most."""
    kl: float = np.inf
    """Bits of KL of an adaptive block; infinite for blocks of equal length."""

    def encode(self, q: np.ndarray, p: np.ndarray, key: Key) -> tuple[bytes, bytes]:
        """The indices and the lengths of the blocks, each as a packed string of bits; for (n,) q and p in (0, 1)."""
        gains = (np.log(q / (1 - q)) - np.log(p / (1 - p))).astype(np.float32)
        ends, choices = self._ends(q, p), np.random.default_rng([*key])
        indices = []
        for start, candidates in self._candidates(ends, p, key):
            weights = candidates.astype(np.float32) @ gains[start : start + candidates.shape[1]]
            indices.append(int(np.argmax(weights + choices.gumbel(size=len(weights)))))  # ∝ exp(weights)
        lengths = np.diff(ends, prepend=0) - 1 if np.isfinite(self.kl) else []
        return _packed(indices, self.bits), _packed(lengths, self._border)

    def decode(self, message: tuple[bytes, bytes], p: np.ndarray, key: Key) -> np.ndarray:
        """The mask, (n,) bool."""
        ends = self._even(len(p))
        if np.isfinite(self.kl):
            ends = np.cumsum(1 + _unpacked(message[1], self._border))
            ends = ends[: np.searchsorted(ends, len(p)) + 1]  # the last byte may be filled up with zeros
        blocks = zip(self._candidates(ends, p, key), _unpacked(message[0], self.bits), strict=False)
        return np.concatenate([candidates[index] for (_, candidates), index in blocks])

    @property
    def _border(self) -> int:
        return int(np.ceil(np.log2(self.longest)))

    def _even(self, n: int) -> np.ndarray:
        return np.append(np.arange(self.longest, n, self.longest), n)

    def _ends(self, q: np.ndarray, p: np.ndarray) -> np.ndarray:
        if np.isinf(self.kl):
            return self._even(len(q))
        so_far = np.cumsum(q * np.log2(q / p) + (1 - q) * np.log2((1 - q) / (1 - p)))
        ends = [0]
        while ends[-1] < len(q):
            last = so_far[ends[-1] - 1] if ends[-1] else 0.0
            end = int(np.searchsorted(so_far, last + self.kl))
            ends.append(min(max(end, ends[-1] + 1), ends[-1] + self.longest, len(q)))
        return np.array(ends[1:])

    def _candidates(self, ends: Iterable[int], p: np.ndarray, key: Key) -> Iterator[tuple[int, np.ndarray]]:
        """Of each block its start and its candidates, (2^bits, length): 16 random bits for each parameter."""
        stream, limits = philox(key.seed, "klms", key.round, key.client), np.rint(p * 65536).astype(np.uint16)
        for start, end in pairwise([0, *ends]):
            shape = 2**self.bits, end - start
            words = stream.random_raw(-(-shape[0] * shape[1] // 4))
            yield start, words.view(np.uint16)[: shape[0] * shape[1]].reshape(shape) < limits[start:end]


def ours(spare: int) -> tuple[Callable, Callable]:
    """Encoder and decoder of the package, with so many bits to spare; it sends no borders."""
    return (
        lambda q, p, key: (shared_randomness.encode(q, p, key, spare=spare), b""),
        lambda message, p, key: shared_randomness.decode(message[0], p, key),
    )


def klms(bits: int, longest: int, kl: float = np.inf) -> tuple[Callable, Callable]:
    """Encoder and decoder of KLMS."""
    return Klms(bits, longest, kl).encode, Klms(bits, longest, kl).decode


IN_USE = "ours, 8 bits, 3 to spare: in use"
CODERS = {
    IN_USE: ours(3),
    "ours, 8 bits, 1 to spare": ours(1),
    "ours, 8 bits, 5 to spare": ours(5),
    "KLMS, blocks of 256, 8 bits": klms(8, 256),
    "KLMS, blocks of 640, 8 bits": klms(8, 640),
    "KLMS, adaptive up to 256, 2 bits, KL 2: its code's default": klms(2, 256, 2),
    "KLMS, adaptive up to 256, 5 bits, KL 5": klms(5, 256, 5),
    "KLMS, adaptive up to 1,024, 8 bits, KL 5": klms(8, 1024, 5),
}


def main() -> str:
    """The table: FedPM on digits, conv2 at width ½, 10 rounds; what one client of the next round trained."""
    torch.set_num_threads(1)
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in CODERS}
    scales = []
    for seed in range(SEEDS):
        q, p = probabilities(seed)
        scales.append((len(q), kl_divergence(q, p)))
        seconds: dict[str, list[float]] = {name: [] for name in CODERS}
        masks, sizes = {name: np.zeros(len(q)) for name in CODERS}, {name: np.zeros(2) for name in CODERS}
        for draw in range(DRAWS):
            for name, (encode, decode) in CODERS.items():
                began = time.process_time()  # one thread's work, whatever else the machine does
                message = encode(q, p, Key(seed, 1, draw))
                seconds[name].append(time.process_time() - began)
                masks[name] += decode(message, p, Key(seed, 1, draw)) / DRAWS
                sizes[name] += np.array([len(part) for part in message]) * 8 / len(q) / DRAWS
        for name in CODERS:
            indices, borders = sizes[name]
            times = [a / b for a, b in zip(seconds[name], seconds[IN_USE], strict=True)]
            measured[name].append(
                {"indices, bpp": indices, "borders, bpp": borders, "all, bpp": indices + borders,
                 "slope": slope(masks[name], q, p), "time of encoding": statistics.median(times)}
            )  # fmt: skip
    rows = []
    for name, of in measured.items():
        found = {column: _spread([seed[column] for seed in of], 4 if "bpp" in column else 2) for column in of[0]}
        rows.append({"coder": name} | found)
    scale = f"n = {scales[0][0]:,}, KL {_spread([kl for _, kl in scales], 4)} bpp"
    return table(f"(i) Coders with shared randomness: {scale}; {DRAWS} masks of each of {SEEDS} seeds", rows)


def probabilities(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """σ(s) of client 0 after its training in round 11, and the θ that it began from: (n,) float64 each."""
    federation = Federation(Experiment(seed=seed, rounds=ROUNDS, evaluate_every=ROUNDS))
    for _ in range(ROUNDS):
        federation.round()
    algorithm = federation.algorithm
    assert isinstance(algorithm, FedPM)
    theta = decode_theta(algorithm.broadcast(federation.state), federation.network.layout).theta.probabilities()
    scores, _ = algorithm.train(federation.clients[0], torch.from_numpy(theta), ROUNDS + 1, 0.0)
    q = torch.sigmoid(scores.double()).numpy()
    return np.clip(q, 2.0**-16, 1 - 2.0**-16), theta.astype(np.float64)


def slope(mean: np.ndarray, q: np.ndarray, p: np.ndarray) -> float:
    """How far the mean of masks goes from p to q, 1 without bias: its regression on q − p, weighted by 1/p(1−p)."""
    weight = (q - p) / (p * (1 - p))
    return float(np.sum(weight * (mean - p)) / np.sum(weight * (q - p)))


def _packed(numbers: Iterable[int], bits: int) -> bytes:
    columns = np.array(list(numbers), np.int64)[:, None] >> np.arange(bits) & 1
    return np.packbits(columns.astype(np.uint8)).tobytes()


def _unpacked(packed: bytes, bits: int) -> np.ndarray:
    found = np.unpackbits(np.frombuffer(packed, np.uint8))
    return found[: len(found) // bits * bits].reshape(-1, bits) @ (1 << np.arange(bits))


def _spread(values: list[float], digits: int) -> str:
    return f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


if __name__ == "__main__":
    print(main())
