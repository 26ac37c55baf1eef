"""Comparisons of tickets and supermasks: each returns rows for a table, `seed` and `share` among their columns."""

from collections.abc import Callable, Iterable, Sequence

import joblib
import torch
from torch import Tensor

from fedsparse.teaching.lottery_tickets import (
    CRITERIA,
    Task,
    Ticket,
    prune_and_rewind,
    random_mask,
    signed_constant,
    top_share,
    weights_of,
)


def parallel_map(work: Callable, tasks: Iterable[Task], *arguments: object) -> list:
    """`work(task, *arguments)` for each task, in processes of one thread each, on all cores."""
    return joblib.Parallel(n_jobs=-1)(joblib.delayed(work)(task, *arguments) for task in tasks)


def against_chance(task: Task, keep: float, rounds: int) -> tuple[list[Ticket], list[dict]]:
    """Tickets of `prune_and_rewind`, against other first weights under the same mask, and against a random mask.

    Returns:
        The tickets, and a row for each of the three at each share: `start`, and accuracy `untrained`, after `one epoch`
        and `trained`.
    """
    first, other = task.first_weights(), task.first_weights(again=1)
    tickets = list(prune_and_rewind(task, first, keep, rounds))
    rows = []
    for round, ticket in enumerate(tickets):
        drawn = random_mask(ticket.share, task.layout, task.experiment.seed, round)
        starts = {
            "ticket": (first, ticket.mask),
            "same mask, other weights": (other, ticket.mask),
            "random mask": (first, drawn),
        }
        rows += _rows(task, ticket, starts)
    return tickets, rows


def signs_or_magnitudes(task: Task, ticket: Ticket) -> list[dict]:
    """A ticket trained again from its own first weights, and from others that share only signs, or only magnitudes.

    Rows as in `against_chance`.
    """
    first, other = task.first_weights(), task.first_weights(again=2)
    starts = {
        "its own weights": first,
        "its signs, one magnitude per layer": signed_constant(first, task.layout),
        "its signs, other magnitudes": first.sign() * other.abs(),
        "its magnitudes, other signs": first.abs() * other.sign(),
        "other weights": other,
    }
    return _rows(task, ticket, {name: (start, ticket.mask) for name, start in starts.items()})


def _rows(task: Task, ticket: Ticket, starts: dict[str, tuple[Tensor, Tensor]]) -> list[dict]:
    """One for each pair of first weights and mask; the first pair is the ticket's own, which is trained already."""
    rows: list[dict] = []
    for name, (start, mask) in starts.items():
        trained = task.train(start, mask) if rows else ticket.trained
        stages = {"untrained": start * mask, "one epoch": task.train(start, mask, epochs=1), "trained": trained}
        accuracy = {stage: task.accuracy(weights) for stage, weights in stages.items()}
        rows.append({"seed": task.experiment.seed, "share": ticket.share, "start": name, **accuracy})
    return rows


def untrained_masks(task: Task, trained: Tensor, shares: Sequence[float]) -> list[dict]:
    """Accuracy without any training under the masks of `CRITERIA`: `first weights`, and their `signed constants`.

    Args:
        trained: what the criteria call final weights, (n,): the whole network's, trained from the first ones.
    """
    first, layout = task.first_weights(), task.layout
    constant = signed_constant(first, layout)
    rows = []
    for share in shares:
        masks = {name: top_share(value(first, trained), share, layout) for name, value in CRITERIA.items()}
        masks["random"] = random_mask(share, layout, task.experiment.seed)
        for name, mask in masks.items():
            row = {"seed": task.experiment.seed, "share": share, "criterion": name}
            measured = {"first weights": first, "signed constants": constant}
            rows.append(row | {of: task.accuracy(weights * mask) for of, weights in measured.items()})
    return rows


def edge_popup_accuracy(task: Task, shares: Sequence[float]) -> list[dict]:
    """Edge-popup over the network's frozen ±c at several shares: rows of `accuracy`."""
    frozen = task.network.weights(torch.ones(task.layout.n))
    rows = []
    for share in shares:
        mask = top_share(task.train_scores(frozen, share), share, task.layout)
        rows.append({"seed": task.experiment.seed, "share": share, "accuracy": task.accuracy(frozen * mask)})
    return rows


def looked_at(mask: Tensor, task: Task) -> Tensor:
    """How many weights of the first layer a mask keeps: at each pixel, (height, width), or, of a convolution, at each
    place of its kernels, (k, k)."""
    shape = task.layout.shapes[0]
    weights = weights_of(mask, task.layout)[0].view(shape)
    if len(shape) == 2:
        return weights.sum(0).view(task.network.architecture.shape).sum(0)
    return weights.sum((0, 1))
