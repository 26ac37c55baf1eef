"""Exercises on the first federation, on tickets, and on masked layers."""

from collections.abc import Callable

import numpy as np

from fedsparse.teaching.checks.exercise import Case, Cases, exercise


# Notebook 00: a first federation
@exercise
def votes() -> Cases:
    """Exercise: from θ as the server sends it, (n,), and the number of clients to how many kept each weight, (n,)."""
    some = np.array([0.01, 0.1, 0.5, 0.8, 0.99])
    yield Case((np.array([0.25, 0.5]), 4), [1, 2], "θ is the share of the clients that kept the weight.")
    yield Case((some, 10), [0, 1, 5, 8, 10], "The clip keeps θ off 0 and 1: nobody, and all, come as 0.01 and 0.99.")
    tenths = np.array([1, 2, 0], np.float32) / np.float32(3)
    yield Case((tenths.clip(0.01, 0.99), 3), [1, 2, 0], "A number of clients is whole, and one third is not exact.")


# Notebook 01: lottery tickets and supermasks
@exercise
def magnitude_mask() -> Cases:
    """Exercise: from one layer's weights and the share to keep to a mask of the same shape."""
    few = np.array([[3.0, -4.0], [1.0, -2.0]])
    some = np.array([0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8])
    pruned = np.array([0.0, 0.0, 5.0, -1.0, 0.0, 2.0, 0.0, 0.0])
    yield Case((few, 0.5), [[1, 1], [0, 0]], "A large negative weight is large.")
    yield Case((some, 0.25), [0, 0, 0, 0, 0, 0, 1, 1], "The share is that of the weights kept, not of those pruned.")
    hint = "The share is of all the layer's weights, those pruned before included."
    yield Case((pruned, 0.25), [0, 0, 1, 0, 0, 1, 0, 0], hint)
    yield Case((some, 1.0), np.ones(8), "A share of 1 keeps every weight.")


@exercise
def share_left() -> Cases:
    """Exercise: from the share that each round prunes, and a number of rounds, to the share that is left."""
    yield Case((0.2, 0), 1.0, "Before the first round nothing is pruned.")
    yield Case((0.2, 1), 0.8, "Asked for is the share that is left, not the share that is pruned.")
    yield Case((0.2, 5), 0.32768, "Each round prunes a share of what is *left*, not of the whole.")
    yield Case((0.5, 6), 1 / 64, "Each round prunes a share of what is *left*, not of the whole.")


@exercise
def next_start() -> Cases:
    """Exercise: from a layer's first and trained weights and the share to keep to what the next round starts from."""
    first, trained = np.array([0.5, -0.1, 0.2, 0.9]), np.array([0.1, -0.8, 0.6, 0.3])
    kept = np.array([-1.0, 0.25, 2.0, -0.5])
    hint = "The trained weights decide which weights are kept; the values are the first ones."
    yield Case((first, trained, 0.5), [0.0, -0.1, 0.2, 0.0], hint)
    yield Case((kept, kept * 2, 0.25), [0.0, 0.0, 2.0, 0.0], "A weight that is not kept is zero.")
    yield Case((kept, -kept[::-1], 0.25), [0.0, 0.25, 0.0, 0.0], "Magnitudes decide, those of the trained weights.")


# Notebook 02: masked layers and the straight-through estimator
@exercise
def masked_forward() -> Cases:
    """Exercise: inputs (batch, in), weight (out, in), bias (out,) and a flat mask (out·in + out,) to (batch, out)."""
    layer = np.array([[1.0, 2, -1], [0.5, 0, 3]]), np.array([[2.0, -1, 4], [1, 3, -2]]), np.array([10.0, -20])
    hint = "The flat mask holds the weight row by row, one row per output; what is masked out counts 0, the bias too."
    yield Case((*layer, np.array([1, 1, 1, 0, 0, 0, 0, 0])), [[-4.0, 0.0], [13.0, 0.0]], hint)
    hint = "The last entries of the mask, one per output, belong to the biases."
    yield Case((*layer, np.array([1, 0, 1, 1, 1, 0, 0, 1])), [[-2.0, -13.0], [13.0, -19.5]], hint)
    hint = "A mask of probabilities gives the expected network: entries between 0 and 1 scale a weight."
    yield Case((*layer, np.full(8, 0.5)), [[3.0, -5.5], [11.5, -12.75]], hint)


Training = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From weights and mask to the weights after training, and to those that the network computed with."""


def _trainings() -> tuple[list[Training], dict[Training, str]]:
    """Right implementations; and wrong ones with what they do wrong."""

    def training_a(weights, mask):
        return weights, weights * mask

    def training_b(weights, mask):
        return weights.copy(), np.where(mask == 1, weights, 0.0)

    def training_c(weights, mask):
        kept = np.zeros_like(weights)
        kept[mask == 1] = weights[mask == 1]
        return weights + 0.0, kept

    def training_d(weights, mask):
        return weights, weights

    def training_e(weights, mask):
        return weights, np.where(mask == 1, 0.0, weights)

    def training_f(weights, mask):
        moved = weights + 0.001 * mask
        return moved, moved * mask

    def training_g(weights, mask):
        weights -= 0.1 * np.sign(weights) * mask
        return weights, weights * mask

    def training_h(weights, mask):
        mask[:] = 1
        return weights, weights * mask

    def training_i(weights, mask):
        moved = weights.copy()
        moved[mask == 0] += 0.1
        return moved, weights * mask

    def training_j(weights, mask):
        return weights, np.abs(weights) * mask

    return [training_a, training_b, training_c], {
        training_d: "it computes with all weights, whatever the mask says",
        training_e: "it keeps what the mask removes",
        training_f: "the weights that it trains are meant to be frozen",
        training_g: "it trains the frozen weights in the very array that it was given",
        training_h: "it overwrites the mask that it was given with ones",
        training_i: "it moves frozen weights that the mask removes, and that no output shows",
        training_j: "it loses the signs of the weights",
    }


@exercise
def training_test() -> Cases:
    """Exercise: a test that gets a training function and says whether it keeps its two promises, True or False.

    The promises: the frozen weights are afterwards what they were, and the network computes with those that the mask
    keeps, and with no others. The check is a set of right and of wrong training functions.
    """
    right, wrong = _trainings()
    for training in right:
        yield Case((training,), True, "This one keeps both promises, and the test refuses it.")
    for training, fault in wrong.items():
        yield Case((training,), False, f"This one is wrong, and the test lets it pass: {fault}.")


@exercise
def exact_gradient() -> Cases:
    """Exercise: from scores (n,) and a function of one mask (n,) to the gradient of E[L(m)] by the scores, (n,)."""
    s = np.array([np.log(4), -np.log(3), 0.0])  # θ = 0.8, 0.25, 0.5
    slope = np.array([0.16, 0.1875, 0.25])

    def loss_of_one(m):
        return float(m[0])

    def loss_of_both(m):
        return float(m[0] * m[1])

    def loss_with_jumps(m):
        return float(3.0 * (m[0] + m[1] == 1) + m[2] * m[1])

    hint = "Write down E[L] for one weight, which is kept or not, and differentiate it by the score, not by θ."
    yield Case((np.zeros(1), loss_of_one), [0.25], hint)
    hint = "For each weight, the other weights are as likely as they are, and not all kept."
    yield Case((s[:2], loss_of_both), [0.25, 0.8] * slope[:2], hint)
    hint = "All 2ⁿ masks count, each with its probability; the loss need not be smooth in the mask."
    rough = [3 * 0.75 - 3 * 0.25, 3 * 0.2 + 0.5 - 3 * 0.8, 0.25] * slope
    yield Case((s, loss_with_jumps), rough, hint)
