"""Updates of weights in a few bits each: QSGD (Alistarh et al., NeurIPS 2017), EDEN (Vargaftik et al., ICML 2022).

Pure functions of arrays. Randomness comes in as an argument; where both ends need the same, it is keyed.
"""

import numpy as np

QSGD_BUCKET = 1024
QSGD_LEVELS = {1: 9, 2: 28}
"""s for a number of bits per weight: stochastic rounding of a normal vector then has that entropy, within 1 %."""

EDEN_BLOCK = 4096
EDEN_STEPS = {3: 0.5860194, 4: 0.3352006, 5: 0.1881388, 6: 0.1040630, 7: 0.0568677, 8: 0.0307624}
"""Distance of 2ᵇ evenly spaced centroids with the least squared error on a standard normal (Max, 1960)."""
EDEN_CENTROIDS = {
    1: np.array([-1, 1]) * np.sqrt(2 / np.pi),
    2: np.array([-1.510417608, -0.4527800398, 0.4527800398, 1.510417608]),
} | {bits: step * (np.arange(2**bits) - (2**bits - 1) / 2) for bits, step in EDEN_STEPS.items()}
"""By bits: at 1 and 2 the Lloyd-Max quantizer of a standard normal (Max, 1960), whose centroids are each the mean of
the numbers nearest to it; from 3 bits on evenly spaced, which once range coded costs fewer bits for the same error."""


def qsgd(update: np.ndarray, levels: int, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unbiased random rounding, bucket by bucket (QSGD, section 3.1).

    Q(v)ⱼ = ‖v‖₂ · sgn(vⱼ) · ξⱼ/s, where ξⱼ is s·|vⱼ|/‖v‖₂ rounded up or down at random, so that E[Q(v)] = v.

    Args:
        update: (n,), cut into buckets of 1,024, each with a norm of its own.
        levels: s, at least 1.
        noise: (n,) uniforms in (0, 1).

    Returns:
        Signed levels sgn(vⱼ)·ξⱼ from −s to s, (n,) int64, and norms, (buckets,) float32.
    """
    norms = np.sqrt(np.add.reduceat(np.square(update, dtype=np.float64), np.arange(0, len(update), QSGD_BUCKET)))
    norms = norms.astype(np.float32)
    scale = np.repeat(norms.astype(np.float64), QSGD_BUCKET)[: len(update)]
    height = np.divide(levels * np.abs(update), scale, out=np.zeros(len(update)), where=scale > 0)
    steps = np.minimum(np.floor(height + noise), levels)
    return (np.sign(update) * steps).astype(np.int64), norms


def qsgd_inverse(signed: np.ndarray, norms: np.ndarray, levels: int) -> np.ndarray:
    """Q(v), (n,) float64, from signed levels and norms."""
    return np.repeat(norms.astype(np.float64), QSGD_BUCKET)[: len(signed)] * signed / levels


def eden_shape(n: int) -> tuple[int, int]:
    """(blocks, d) that n numbers are laid out in, filled up with zeros; d is a power of two, at most 4,096."""
    d = min(EDEN_BLOCK, 1 << (n - 1).bit_length())
    return -(-n // d), d


def hadamard(blocks: np.ndarray) -> np.ndarray:
    """H x / √d for every row x of (blocks, d), d a power of two; orthogonal, and its own inverse."""
    rows, d = blocks.shape
    x = blocks.astype(np.float64)
    half = 1
    while half < d:
        pairs = x.reshape(rows, -1, 2, half)
        x = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], axis=2)
        half *= 2
    return x.reshape(rows, d) / np.sqrt(d)


def eden(update: np.ndarray, bits: int, flips: np.ndarray, unbiased: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Rotate, so that every entry is nearly normal; quantize by the normal's centroids (EDEN).

    With R x = H D x / √d, D the random signs, c the nearest centroids to √d/‖x‖ · R x, and S = ‖x‖² / ⟨R x, c⟩, the
    estimate R⁻¹(S c) of x is unbiased over uniform rotations, and nearly so over these.

    Args:
        update: (n,), laid out as in `eden_shape`.
        bits: 1 to 8.
        flips: (blocks · d,) of 0 and 1, which both ends draw from the same key; 1 flips a sign.
        unbiased: S as above; else S = ⟨R x, c⟩ / ‖c‖², with which S c is the projection of R x on c: its error is the
            least that there is for this c, and never larger than x. For error feedback, which undoes a bias.

    Returns:
        Index of each entry's centroid, (blocks · d,) uint8, and S, (blocks,) float32.
    """
    blocks, d = eden_shape(len(update))
    x = np.zeros(blocks * d)
    x[: len(update)] = update
    rotated = hadamard((x * (1 - 2.0 * flips)).reshape(blocks, d))
    norm = np.sqrt(np.sum(rotated**2, axis=1, keepdims=True))
    centroids = EDEN_CENTROIDS[bits]
    normal = np.divide(rotated * np.sqrt(d), norm, out=np.zeros_like(rotated), where=norm > 0)
    nearest = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, normal).astype(np.uint8)
    along, chosen = np.sum(rotated * centroids[nearest], axis=1), np.sum(centroids[nearest] ** 2, axis=1)
    ratio = (norm[:, 0] ** 2, along) if unbiased else (along, chosen)
    scales = np.divide(*ratio, out=np.zeros(blocks), where=norm[:, 0] > 0)
    return nearest.reshape(-1), scales.astype(np.float32)


def eden_inverse(nearest: np.ndarray, scales: np.ndarray, bits: int, flips: np.ndarray, n: int) -> np.ndarray:
    """The estimate R⁻¹(S c), (n,) float64."""
    blocks, d = eden_shape(n)
    rotated = EDEN_CENTROIDS[bits][nearest].reshape(blocks, d) * scales[:, None].astype(np.float64)
    return (hadamard(rotated).reshape(-1) * (1 - 2.0 * flips))[:n]
