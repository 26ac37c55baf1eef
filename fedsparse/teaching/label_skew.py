"""Measures of non-IID data: label skew, and client drift.

Label skew is the total variation distance of a client's labels from the pooled labels. Drift is how far apart the
clients' probabilities q = σ(s) are after local training, and how little of their movement they have in common.
"""

import numpy as np

from fedsparse.errors import DataError


def label_skew(label_counts: np.ndarray) -> np.ndarray:
    """Total variation distance of each client's label distribution from the pooled one: ½ Σ_y |p_k(y) − p(y)|.

    0 for a client with the pooled label distribution; 1 − c/C for one that holds c of C classes in equal parts, where
    all classes are equally large; never 1, since its images are in the pool too.

    Args:
        label_counts: images of each client and class, (clients, classes), as from `partition.label_counts`.

    Returns:
        (clients,) in [0, 1).

    Raises:
        DataError: a client holds nothing, so that it has no distribution.
    """
    totals = label_counts.sum(1, keepdims=True)
    if not totals.all():
        raise DataError(f"client {int(np.argmin(totals))} holds no images: its labels have no distribution")
    pooled = label_counts.sum(0) / totals.sum()
    return np.abs(label_counts / totals - pooled).sum(1) / 2


def disagreement(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often the masks of two clients differ at a weight: by sampling noise, and by drift.

    For m_i ~ Bernoulli(q_i) and m_j ~ Bernoulli(q_j), drawn independently,

        P(m_i ≠ m_j) = q_i (1 − q_j) + q_j (1 − q_i) = q_i (1 − q_i) + q_j (1 − q_j) + (q_i − q_j)².

    The first two terms are there even where both learned the same; the last is what they learned differently.

    Args:
        q: probabilities of each client, (clients, n), two clients at least.

    Returns:
        Tosses and drift, (n,) each, means over all pairs of clients; their sum is the expected Hamming distance.
    """
    tosses = 2 * np.mean(q * (1 - q), axis=0)
    drift = 2 * np.var(q, axis=0, ddof=1)  # the mean square difference of two is twice the variance
    return tosses, drift


def common_share(steps: np.ndarray) -> float:
    """Share of their movement that clients have in common: ‖mean step‖² / mean ‖step‖².

    1 if all make the same step; 1/K on average if the steps of K clients are independent, each as likely as its
    opposite; less if clients move against each other, and 0 if their steps cancel.

    Args:
        steps: q − θ of each client, (clients, n).

    Raises:
        DataError: nobody moved.
    """
    movement = np.mean(np.sum(np.square(steps), axis=1))
    if not movement:
        raise DataError("no client moved: their steps have no length to share")
    return float(np.sum(np.square(np.mean(steps, axis=0))) / movement)


def hamming(masks: np.ndarray) -> np.ndarray:
    """Share of entries in which each two masks differ, (clients, clients), of masks (clients, n) of 0 and 1."""
    signs = 1 - 2 * masks.astype(np.float32)
    return (1 - signs @ signs.T / masks.shape[1]) / 2
