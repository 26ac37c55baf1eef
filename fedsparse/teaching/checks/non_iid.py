"""Exercises of notebook 07: non-IID clients."""

from collections.abc import Callable

import numpy as np

from fedsparse.teaching.checks.verdict import verdict


def skew(answer: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Exercise: from images of each client and class, (clients, classes), to each client's distance from the pool."""
    return verdict(
        answer,
        [
            (
                (np.array([[3, 3], [5, 5]]),),
                np.zeros(2),
                "Clients with the pooled label distribution are at distance 0.",
            ),
            (
                (np.array([[4, 0], [0, 4]]),),
                np.array([0.5, 0.5]),
                "An excess in one class is a deficit in another: count it once.",
            ),
            (
                (np.array([[8, 0], [1, 1]]),),
                np.array([0.1, 0.4]),
                "The pool consists of images, not of clients: a large client weighs more in it.",
            ),
            (
                (np.array([[2, 2, 0], [2, 0, 2]]),),
                np.array([0.25, 0.25]),
                "Normalize the row of each client, so that it adds up to 1.",
            ),
        ],
    )


def owners(answer: Callable[[int, int, int], tuple[int, int]]) -> bool:
    """Exercise: from clients, classes per client and classes to the (fewest, most) owners of a class, or (0, 0)."""
    return verdict(
        answer,
        [
            ((10, 2, 10), (2, 2), "Clients times classes per client: so many places, shared by the classes."),
            ((7, 3, 10), (2, 3), "Where the places cannot be shared equally, some classes have one owner more."),
            ((4, 2, 10), (0, 0), "Every class needs an owner, and there have to be places for all of them."),
            ((3, 5, 4), (0, 0), "No client can hold more classes than there are."),
            ((30, 1, 10), (3, 3), "Clients times classes per client: so many places, shared by the classes."),
        ],
    )


def same_owner(answer: Callable[[float, int], float]) -> bool:
    """Exercise: from α and clients to the probability that two images of a class have the same owner (Dirichlet)."""
    return verdict(
        answer,
        [
            ((1.0, 1), 1.0, "With one client there is one owner."),
            (
                (1e12, 8),
                1 / 8,
                "With a huge α every client has the same share: the two owners are independent.",
            ),
            ((1.0, 2), 2 / 3, "The first image makes its owner's α larger by one, as in a Pólya urn."),
            ((0.1, 10), 0.55, "Before the first image the αs add up to clients times α; after it, to one more."),
        ],
    )
