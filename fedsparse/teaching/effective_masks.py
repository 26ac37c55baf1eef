"""The effective part of a mask: the ones that lie on a path from an input to an output.

A one whose unit has no active input, or no path to an output, does nothing: it counts in the density, and can be
dropped from a network without changing a single logit. Vysogorets & Kempe (JMLR 2023) call what is left effective.
"""

import numpy as np

from fedsparse.errors import SettingError
from fedsparse.models import Layout


def connected(mask: np.ndarray, layout: Layout) -> np.ndarray:
    """The mask without the ones that lie on no path: the same network, to the bit.

    A path begins at an input or at a kept bias (an input that is always 1), goes through kept weights, and ends at a
    logit. A unit is a neuron of a dense layer or a channel of a convolution, with all its pixels: of a kernel, an entry
    that only ever meets the padding counts as connected, and so does one pixel of a channel for all of them.

    Args:
        mask: (n,) of 0 and 1.
        layout: of the network, whose layers follow each other.

    Returns:
        (n,) uint8, nowhere above `mask`.

    Raises:
        SettingError: the mask is not of this layout, or not of zeros and ones.
    """
    if mask.shape != (layout.n,) or not np.isin(mask, (0, 1)).all():
        raise SettingError(f"a mask of {layout.n:,} zeros and ones is needed, not one of shape {mask.shape}")
    layers = []  # of each layer: its weights as (out, in, rest), its biases (out,)
    for part, shape in zip(np.split(mask.astype(bool), np.cumsum(layout.sizes)[:-1]), layout.shapes, strict=True):
        layers.append((part[: -shape[0]].reshape(*shape[:2], -1), part[-shape[0] :]))

    entered = np.ones(layout.shapes[0][1], bool)
    for weights, biases in layers:
        weights &= np.repeat(entered, weights.shape[1] // len(entered))[:, None]  # a channel is an input per pixel
        entered = weights.any((1, 2)) | biases
    used = np.ones(layout.shapes[-1][0], bool)
    for weights, biases in reversed(layers):
        used = used.reshape(len(biases), -1).max(1)  # a channel is used if one of its pixels is
        weights &= used[:, None, None]
        biases &= used
        used = weights.any((0, 2))
    return np.concatenate([part.ravel() for layer in layers for part in layer]).astype(np.uint8)
