"""Exercises of notebook 07: the usual mistakes get a hint, what is right passes however it is written."""

import math

import numpy as np
import pytest

from fedsparse.teaching import checks
from fedsparse.teaching.label_skew import label_skew


def mean_of_clients(table):
    rows = table / table.sum(1, keepdims=True)
    return np.abs(rows - rows.mean(0)).sum(1) / 2


def both_sides(table):
    return 2 * label_skew(table)


def counts_as_they_are(table):
    return np.abs(table - table.mean(0)).sum(1) / 2 / table.sum(1)


WRONG = [
    (checks.skew, mean_of_clients),
    (checks.skew, both_sides),
    (checks.skew, counts_as_they_are),
    (checks.skew, lambda table: label_skew(table).mean()),
    (checks.owners, lambda clients, each, classes: (clients * each // classes, clients * each // classes)),
    (checks.owners, lambda clients, each, classes: (clients // classes, -(-clients // classes))),
    (checks.owners, lambda clients, each, classes: (clients * each // classes, -(-clients * each // classes))),
    (checks.owners, lambda clients, each, classes: (clients * each / classes, math.ceil(clients * each / classes))),
    (checks.same_owner, lambda alpha, clients: 1 / clients),
    (checks.same_owner, lambda alpha, clients: alpha / (clients * alpha)),
    (checks.same_owner, lambda alpha, clients: (alpha + 1) / (clients * alpha)),
    (checks.same_owner, lambda alpha, clients: (alpha + 1) / (clients * (alpha + 1))),
]


@pytest.mark.parametrize(("check", "answer"), WRONG)
def test_the_usual_mistakes_get_a_hint(check, answer, capsys):
    assert not check(answer)
    assert capsys.readouterr().out.startswith("Not yet")


def test_other_ways_to_write_it_pass(capsys):
    def overlap(table):
        rows, pool = table / table.sum(1, keepdims=True), table.sum(0) / table.sum()
        return 1 - np.minimum(rows, pool).sum(1)

    def places(clients, each, classes):
        if each > classes or clients * each < classes:
            return 0, 0
        fewest, left = divmod(clients * each, classes)
        return fewest, fewest + (left > 0)

    assert checks.skew(overlap)
    assert checks.owners(places)
    assert checks.same_owner(
        lambda alpha, clients: clients * alpha * (alpha + 1) / (clients * alpha * (clients * alpha + 1))
    )
    assert capsys.readouterr().out == "PASS\n" * 3
