"""QSGD (Alistarh et al., NeurIPS 2017) and EDEN (Vargaftik et al., ICML 2022): FedAvg with updates of 1 or 2 bits.

Only the uplink is quantized here. The downlink is FedAvg's: float32, or with `down_bits` quantized as well.
"""

import numpy as np

from fedsparse.algorithms.fedavg import FedAvg
from fedsparse.algorithms.quantizers import (
    QSGD_BUCKET,
    QSGD_LEVELS,
    eden,
    eden_inverse,
    eden_shape,
    qsgd,
    qsgd_inverse,
)
from fedsparse.errors import MessageError
from fedsparse.randomness import raw_bits, uniforms
from fedsparse.wire.frame import Kind
from fedsparse.wire.masks import Report
from fedsparse.wire.weights import MAX_ABS, WeightBroadcast, decode_symbols, encode_symbols


class QSGD(FedAvg):
    """Random rounding in buckets of 1,024; as many levels as a normal update needs `bits` bits for."""

    def compress(self, update: np.ndarray, report: Report, broadcast: WeightBroadcast) -> bytes:
        """A norm per bucket, and for every weight a signed level; levels are range coded in place of Elias' code."""
        e, levels = self.experiment, QSGD_LEVELS[self.experiment.bits]
        noise = uniforms(len(update), e.seed, "qsgd", broadcast.round, report.client)
        signed, norms = qsgd(update, levels, noise)
        return encode_symbols(Kind.QSGD, signed + levels, 2 * levels, norms, report, broadcast, e.codec)

    def decompress(self, message: bytes, broadcast: WeightBroadcast) -> tuple[np.ndarray, Report]:
        """Q(Δ), whose expectation is Δ."""
        n, levels = broadcast.layout.n, QSGD_LEVELS[self.experiment.bits]
        symbols, norms, report = decode_symbols(message, Kind.QSGD, n, 2 * levels, -(-n // QSGD_BUCKET), broadcast)
        return _bounded(qsgd_inverse(symbols - levels, norms, levels)), report


class EDEN(FedAvg):
    """A random rotation that both ends draw from the key (seed, round, client), and the normal's best quantizer."""

    def compress(self, update: np.ndarray, report: Report, broadcast: WeightBroadcast) -> bytes:
        """A scale for every 4,096 weights, and an index of `bits` bits for each."""
        e = self.experiment
        nearest, scales = eden(update, e.bits, self._flips(report, broadcast))
        return encode_symbols(Kind.EDEN, nearest, 2**e.bits - 1, scales, report, broadcast, e.codec)

    def decompress(self, message: bytes, broadcast: WeightBroadcast) -> tuple[np.ndarray, Report]:
        """The estimate of Δ, rotated back."""
        n, bits = broadcast.layout.n, self.experiment.bits
        blocks, d = eden_shape(n)
        nearest, scales, report = decode_symbols(message, Kind.EDEN, blocks * d, 2**bits - 1, blocks, broadcast)
        return _bounded(eden_inverse(nearest, scales, bits, self._flips(report, broadcast), n)), report

    def _flips(self, report: Report, broadcast: WeightBroadcast) -> np.ndarray:
        blocks, d = eden_shape(broadcast.layout.n)
        return raw_bits(blocks * d, self.experiment.seed, "eden", broadcast.round, report.client)


def _bounded(update: np.ndarray) -> np.ndarray:
    if not np.all(np.abs(update) <= MAX_ABS):
        raise MessageError(f"an update beyond ±{MAX_ABS:g}: training has diverged, lower weight_lr")
    return update
