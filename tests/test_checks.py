"""The notebooks' exercises: right answers pass however they are written, the usual mistakes get a line that fits."""

import copy
import itertools
import json
import math
import re
import struct
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from fedsparse.analysis.sweeps import interval
from fedsparse.entropy import binary_entropy, context_entropy, mask_entropy
from fedsparse.models import Layout
from fedsparse.teaching import checks, faulty_figures
from fedsparse.teaching.checks.exercise import Case, exercise
from fedsparse.teaching.checks.notebooks_03_to_05 import READING
from fedsparse.teaching.effective_masks import connected
from fedsparse.teaching.range_coder_by_hand import subdivide
from fedsparse.teaching.subset_sums import best_errors, numbers_needed

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"

# Notebook 01


def by_sorting(weights, share):
    mask = np.zeros(weights.size)
    mask[np.argsort(-np.abs(weights).ravel())[: round(share * weights.size)]] = 1
    return mask.reshape(weights.shape)


def by_threshold(weights, share):
    sizes = np.sort(np.abs(weights), axis=None)[::-1]
    return np.abs(weights) >= sizes[round(share * weights.size) - 1]


def in_place(first, trained, share):
    first *= by_sorting(trained, share)
    return first


# Notebook 02


def sigma(s):
    return 1 / (1 + np.exp(-s))


def forward(x, weight, bias, mask):
    return x @ (weight * mask[: weight.size].reshape(weight.shape)).T + bias * mask[weight.size :]


def promises(weights=(0.5, -0.4, 0.3, -0.2), mask=(1, 1, 0, 0), copies=True, compare=np.array_equal):
    """A test of a training function, with these choices."""

    def holds(train):
        w, m = np.array(weights), np.array(mask)
        after, used = train(w.copy(), m.copy()) if copies else train(w, m)
        return compare(after, w) and compare(used, w * m)

    return holds


def gradient(s, loss, law=None):
    theta, total = sigma(s), np.zeros(len(s))
    for m in map(np.array, itertools.product((0, 1), repeat=len(s))):
        total += (law or (lambda m, p: np.where(m, p, 1 - p).prod()))(m, theta) * loss(m) * (m - theta)
    return total


def differences(s, loss):
    """The same by differences between with and without."""
    theta, total = sigma(s), np.zeros(len(s))
    for j, m in itertools.product(range(len(s)), map(np.array, itertools.product((0, 1), repeat=len(s)))):
        others = np.delete(np.where(m, theta, 1 - theta), j).prod()
        total[j] += others * (1 if m[j] else -1) * loss(m) * theta[j] * (1 - theta[j])
    return total


# Notebook 03


def step_by_step(rounds, before, since):
    total, now = rounds * before, 0
    while (total + now * since - (rounds + now) / 2) * (before - 0.5) > 0:
        now += 1
        if now > 1000:
            return float("inf")
    return now


def every_cohort(q, cohort):
    asked = [np.array(some) for some in itertools.combinations(q, cohort)]
    return np.mean([np.sum(p * (1 - p)) / cohort**2 + (p.mean() - np.mean(q)) ** 2 for p in asked])


def weighted(before, masks, samples, answered):
    if not answered.any():
        return before
    return np.average(masks[answered], axis=0, weights=samples[answered])


# Notebook 04


def saved(mask, contexts, table):
    counts = {c: np.bincount(mask[contexts == c], minlength=2) for c in np.unique(contexts)}
    cost = lambda k: sum(-n * math.log2(n / sum(k)) for n in k if n)  # noqa: E731
    return cost(np.bincount(mask, minlength=2)) - sum(map(cost, counts.values())) - table * (len(counts) - 1)


def divided(bits, ones):
    """The width is a product, and the low end a sum over the ones."""
    ones = np.array(ones, float)
    widths = np.append(1, np.cumprod(np.where(bits, ones, 1 - ones)))
    return float(np.sum(widths[:-1] * (1 - ones) * np.array(bits))), float(widths[-1])


def backwards(bits, ones):
    """From the last bit to the first, each placing what comes after it."""
    low, width = 0.0, 1.0
    for bit, one in list(zip(bits, ones, strict=True))[::-1]:
        low, width = (1 - one + one * low, one * width) if bit else ((1 - one) * low, (1 - one) * width)
    return low, width


def not_what_is_left(bits, ones):
    low, width = 0.0, 1.0
    for bit, one in zip(bits, ones, strict=True):
        low, width = (low + 1 - one, width * one) if bit else (low, width * (1 - one))
    return low, width


def ones_first(bits, ones):
    return divided([1 - b for b in bits], [1 - one for one in ones])


# Notebook 05


def chosen(study, networks=("accuracy_val", "accuracy_val_threshold"), schedule="server_loss", how="mean", all_of=all):
    ends = study[study["round"] == study["rounds"]]
    level = lambda runs, name: getattr(runs[name], how)()  # noqa: E731
    plain = ends[ends["lam"] == 0]
    of_schedule = ends[(ends["lam"] > 0) & ends["lam_schedule"].isin([schedule] if schedule else ends["lam_schedule"])]
    held = [
        lam
        for lam, runs in of_schedule.groupby("lam")
        if all_of(level(runs, name) > level(plain, name) - 0.01 for name in networks)
    ]
    return max(held, default=0.0)


# Notebook 06


def best_round(history, of_runs="mean"):
    return getattr(history.groupby(["lam", "seed"])["accuracy_threshold"].max().groupby("lam"), of_runs)()


def first_fall(lams, accuracies, tolerance):
    means = accuracies.mean(1)
    return lams[np.argmax(means < means[0] - tolerance) - 1]


def knee(lams, accuracies, tolerance):
    kept, reference = 0.0, None
    for lam, row in sorted(zip(lams.tolist(), accuracies.tolist(), strict=True)):
        mean = sum(row) / len(row)
        reference = mean if reference is None else reference
        if mean < reference - tolerance:
            return kept
        kept = lam
    return kept


def any_seed(lams, accuracies, tolerance):
    order = np.argsort(lams)
    rows = accuracies[order]
    below = (rows < rows[0].mean() - tolerance).any(axis=1)
    return lams[order][(np.argmax(below) if below.any() else len(rows)) - 1]


# Notebook 07


def dealt(classes, images, skew):
    """Any table will do: here each client prefers the class after its own, and not equally."""
    own = round(images * (skew + 1 / classes))
    table = np.full((classes, classes), (images - own) // (classes - 1))
    table[np.arange(classes), (np.arange(classes) + 1) % classes] = own
    return table.tolist()


def places(clients, each, classes):
    if each > classes or clients * each < classes:
        return 0, 0
    fewest, left = divmod(clients * each, classes)
    return fewest, fewest + (left > 0)


# Notebook 08


def both(history):
    return history["uplink_bytes"] + history["downlink_bytes"]


def first_time(history, target):
    reached = (both(history).cumsum() / 1e6)[history["accuracy_expected"] >= target]
    return reached.iloc[0] if len(reached) else np.nan


def until(history, target, so_far=None):
    so_far = both(history).cumsum() / 1e6 if so_far is None else so_far
    found = np.nan
    for spent, accuracy in list(zip(so_far, history["accuracy_expected"], strict=True))[::-1]:
        if accuracy < target:
            break
        found = found if np.isnan(accuracy) else spent
    return found


def leads(first, second):
    """The lead, 1, −1 or 0, after each round."""
    return np.sign(np.cumsum(first) - np.cumsum(second))


def changes(first, second):
    seen = [(number, lead) for number, lead in enumerate(leads(first, second), 1) if lead]
    return [number for (_, before), (number, lead) in itertools.pairwise(seen) if lead != before]


# Notebook 09


def by_listing(theta, sigma, many):
    total = 0.0
    for drawn in itertools.product((0, 1), repeat=many):
        weights = [sigma / theta if m else (1 - sigma) / (1 - theta) for m in drawn]
        total += (
            math.prod(theta if m else 1 - theta for m in drawn)
            * sum(w * m for w, m in zip(weights, drawn, strict=True))
            / sum(weights)
        )
    return total


def bits_of_lengths(numbers):
    _, counts = np.unique(np.floor(np.log2(numbers)), return_counts=True)
    return -np.sum(counts / len(numbers) * np.log2(counts / len(numbers)))


def rebuilt(candidates, numbers, weights):
    return np.average(candidates[np.arange(len(numbers)), numbers - 1], axis=0, weights=weights)


# Notebook 10


def fewest(numbers, target, error):
    masks = np.array(list(itertools.product((0, 1), repeat=len(numbers))))
    near = np.sum(masks[np.abs(masks @ numbers - target) <= error], axis=1)
    return (int(near.min()), int(np.sum(near == near.min()))) if len(near) else (math.nan, 0)


def without_count(numbers, target, error):
    errors = [best_errors(numbers, np.array([target]), ones)[0] for ones in range(len(numbers) + 1)]
    return next(((ones, 1) for ones, found in enumerate(errors) if found <= error), (math.nan, 0))


def greedy(numbers, target, error):
    left, kept = target, 0
    for number in sorted(numbers, key=abs, reverse=True):
        if abs(left) > error and abs(left - number) < abs(left):
            left, kept = left - number, kept + 1
    return (kept, 1) if abs(left) <= error else (math.nan, 0)


def counted(error, density, allowed=math.floor, first=0):
    n = 1
    while sum(math.comb(n, k) for k in range(first, allowed(density * n) + 1)) < 1 / error:
        n += 1
    return n


def reached(first, second):
    """One input after the other, on copies without the ones of all others."""
    found = []
    for i in range(first.shape[1]):
        entered = first[:, i].astype(bool)
        found.append(int((entered & second.any(0)).sum() + second[:, entered].sum()))
    return found


def by_matrices(first, second):
    return first.T.astype(int) @ second.any(0) + first.T.astype(int) @ second.sum(0)


def all_paths(first, second):
    return first.T.astype(int) @ second.sum(0)


def forward_only(first, second):
    return first.sum(0) + first.T @ second.sum(0)


def of_all_inputs(first, second):
    """Counts per layer of the network as a whole, as `effective_masks.connected` gives them."""
    whole = np.concatenate([np.append(mask, np.zeros(len(mask), np.uint8)) for mask in (first, second)])
    layout = Layout((first.shape, second.shape))
    parts = np.split(connected(whole.astype(np.uint8), layout), np.cumsum(layout.sizes)[:-1])
    alive = parts[0][: first.size].reshape(first.shape)
    return alive.sum(0) + parts[1].sum() * first.any(0)


# Notebook 11


def loop(updates, weights, unit):
    total = np.zeros(updates.shape[1], np.int64)
    for update, weight in zip(updates, weights, strict=True):
        total += int(weight) * np.rint(update / unit).astype(np.int64)
    return total


RIGHT = [
    (checks.votes, lambda theta, clients: np.rint(theta * clients).astype(int)),
    (checks.votes, lambda theta, clients: [min(range(clients + 1), key=lambda k: abs(k / clients - t)) for t in theta]),
    (checks.magnitude_mask, by_sorting),
    (checks.magnitude_mask, by_threshold),
    (checks.share_left, lambda prune, rounds: (1 - prune) ** rounds),
    (checks.share_left, lambda prune, rounds: np.prod([1 - prune] * rounds)),
    (checks.next_start, lambda first, trained, share: first * by_sorting(trained, share)),
    (checks.next_start, lambda first, trained, share: np.where(by_threshold(trained, share), first, 0)),
    (checks.next_start, in_place),
    (checks.masked_forward, forward),
    (checks.masked_forward, lambda x, w, b, m: (forward(x, w, b, m)).tolist()),
    (checks.masked_forward, lambda x, w, b, m: torch.nn.Parameter(torch.tensor(forward(x, w, b, m)))),
    (checks.training_test, promises()),
    (checks.training_test, promises(mask=(0.0, 1.0, 1.0, 0.0))),
    (checks.training_test, promises(mask=(False, True, True, False), compare=lambda a, b: int(np.allclose(a, b)))),
    (checks.exact_gradient, gradient),
    (checks.exact_gradient, differences),
    (checks.lag, step_by_step),
    (checks.cohort_variance, every_cohort),
    (checks.partial_cohort, weighted),
    (checks.bits_saved, saved),
    (
        checks.bits_saved,
        lambda m, c, t: len(m) * (mask_entropy(m) - context_entropy(m, c)) + t - t * len(np.unique(c)),
    ),
    (checks.interval, divided),
    (checks.interval, backwards),
    (checks.header, lambda m: np.array([int.from_bytes(m[i : i + 4], "little") for i in (6, 10, 26)])),
    (checks.chosen_lam, chosen),
    (checks.reading, READING | {"because": "Of 0.46 points ± 1.19 the interval reaches beyond one point."}),
    (checks.faulty_points, best_round),
    (checks.knee, knee),
    (checks.step_left, lambda lam, n, theta, epsilon: 1 / (1 + epsilon * n / lam / theta / (1 - theta))),
    (checks.dealt, dealt),
    (checks.owners, places),
    (
        checks.same_owner,
        lambda alpha, clients: clients * alpha * (alpha + 1) / (clients * alpha * (clients * alpha + 1)),
    ),
    (checks.total_megabytes, lambda h: sum(h["uplink_bytes"]) / 1e6 + h["downlink_bytes"].to_numpy().sum() / 1e6),
    (checks.megabytes_to, until),
    (checks.lead_changes, changes),
    (checks.lead_changes, lambda a, b: np.array(changes(a, b), int)),
    (checks.chance_of_a_one, by_listing),
    (checks.number_cost, lambda numbers: bits_of_lengths(numbers) + np.mean(np.floor(np.log2(numbers)))),
    (checks.rebuilt_theta, lambda c, k, w, clip: rebuilt(c, k, w).clip(clip, 1 - clip)),
    (checks.fewest_kept, fewest),
    (checks.fewest_kept, lambda numbers, target, error: np.array(fewest(numbers, target, error))),
    (checks.least_numbers, counted),
    (checks.least_numbers, lambda error, density: float(counted(error, density))),
    (checks.living, reached),
    (checks.living, by_matrices),
    (checks.whole_sum, loop),
    (checks.accepted, lambda replies, now, asked: [c for c in sorted(asked) if (c, now) in replies]),
]
WRONG = [
    (checks.votes, lambda theta, clients: theta * clients),  # the clip left in
    (checks.votes, lambda theta, clients: np.floor(theta * clients)),
    (checks.votes, lambda theta, clients: np.ceil(theta * clients)),
    (checks.votes, lambda theta, clients: (theta > 0.5) * clients),
    (checks.training_test, promises(copies=False)),  # compares what was changed in place with itself
    (checks.training_test, promises(mask=(1, 1, 1, 1))),  # removes nothing
    (checks.training_test, promises(mask=(0, 0, 0, 0))),  # keeps nothing
    (checks.training_test, promises(weights=(0.5, 0.4, 0.3, 0.2))),  # of one sign
    (checks.training_test, promises(compare=lambda a, b: np.allclose(a, b, atol=0.01))),  # small steps pass
    (checks.training_test, lambda train: True),
    (checks.training_test, lambda train: False),
    (checks.training_test, lambda train: np.array_equal(*[w * [1, 0] for w in train(np.ones(2), np.array([1, 0]))])),
    (checks.lag, lambda rounds, before, since: rounds),
    (checks.lag, lambda rounds, before, since: rounds * (0.5 - before) / (since - 0.5) if since > 0.5 else math.inf),
    (checks.lag, lambda rounds, before, since: abs(math.ceil(rounds * (0.5 - before) / (since - 0.5 + 1e-15)))),
    (checks.cohort_variance, lambda q, cohort: np.mean(q * (1 - q)) / cohort),  # the coins alone
    (checks.cohort_variance, lambda q, cohort: np.mean(q) * (1 - np.mean(q)) / cohort),  # with replacement
    (checks.cohort_variance, lambda q, cohort: np.var(q, ddof=1) / cohort * (1 - cohort / len(q))),  # who, alone
    (checks.cohort_variance, lambda q, cohort: np.sqrt(every_cohort(q, cohort))),
    (checks.cohort_variance, lambda q, cohort: every_cohort(q, cohort) * cohort),
    (checks.bits_saved, lambda m, c, t: saved(m, c, 0)),  # tables forgotten
    (checks.bits_saved, lambda m, c, t: saved(m, c, t) - t),  # the one table forgotten
    (checks.bits_saved, lambda m, c, t: saved(m, c, t) / len(m)),  # bits per parameter
    (checks.bits_saved, lambda m, c, t: max(0, saved(m, c, t))),
    (checks.bits_saved, lambda m, c, t: saved(m, c, 0) - t * max(c)),  # numbers with gaps
    (
        checks.bits_saved,
        lambda m, c, t: (
            saved(m, np.zeros_like(c), t)
            + len(m) * mask_entropy(m)
            - sum(len(m) / len(set(c)) * float(binary_entropy(m[c == k].mean())) for k in set(c))
            - t * (len(set(c)) - 1)
        ),
    ),  # contexts not weighed
    (checks.chosen_lam, lambda study: chosen(study, networks=["accuracy", "accuracy_threshold"])),  # on the test images
    (checks.chosen_lam, lambda study: chosen(study, networks=["accuracy_val"])),
    (checks.chosen_lam, lambda study: chosen(study, networks=["accuracy_val_threshold"])),
    (checks.chosen_lam, lambda study: chosen(study, all_of=any)),
    (checks.chosen_lam, lambda study: chosen(study, schedule="")),
    (checks.chosen_lam, lambda study: chosen(study, how="min")),  # the worst seed
    (checks.chosen_lam, lambda study: chosen(study, how="max")),
    (checks.chosen_lam, lambda study: chosen(study.assign(rounds=1))),  # the first round
    (checks.chosen_lam, lambda study: 10.0),
    (checks.faulty_points, lambda h: h[h["round"] == h["round"].max()].groupby("lam")["accuracy_threshold"].mean()),
    (checks.faulty_points, lambda h: h.groupby("lam")["accuracy_threshold"].max()),  # the best seed
    (checks.faulty_points, lambda h: h.groupby("lam")["accuracy_threshold"].mean()),
    (checks.faulty_points, lambda h: best_round(h, "max")),
    (
        checks.faulty_points,
        lambda h: h.groupby(["lam", "round"])["accuracy_threshold"].mean().groupby("lam").max(),
    ),  # the best round of the mean
    (checks.faulty_points, lambda h: best_round(h)[h["lam"].unique()]),  # in the table's order
    (checks.knee, any_seed),
    (checks.knee, lambda lams, a, tol: knee(lams, np.median(a, axis=1, keepdims=True), tol)),
    (checks.step_left, lambda lam, n, theta, epsilon: 1.0),  # the sign alone
    (checks.step_left, lambda lam, n, theta, epsilon: lam / n * theta * (1 - theta)),  # as of SGD
    (checks.step_left, lambda lam, n, theta, epsilon: 1 / (1 + epsilon * n / lam)),
    (checks.step_left, lambda lam, n, theta, epsilon: 1 / (1 + epsilon / lam / theta / (1 - theta))),
    (checks.step_left, lambda lam, n, theta, epsilon: lam / n * 0.25 / (lam / n * 0.25 + epsilon)),
    (checks.dealt, lambda classes, images, skew: np.eye(classes) * images),
    (checks.dealt, lambda classes, images, skew: np.full((classes, classes), images / classes)),
    (checks.dealt, lambda classes, images, skew: np.array(dealt(classes, images, skew)) + 1),
    (checks.dealt, lambda classes, images, skew: np.array(dealt(classes, images, skew)) / images),
    (checks.dealt, lambda classes, images, skew: np.array([dealt(classes, images, skew)[0]] * classes)),
    (checks.dealt, lambda classes, images, skew: -np.array(dealt(classes, images, skew))),
    (checks.megabytes_to, lambda h, t: np.nan_to_num(until(h, t), nan=-1)),  # never is −1
    (checks.lead_changes, lambda a, b: (np.flatnonzero(np.diff(np.sign(a - b))) + 2).tolist()),  # round by round
    (checks.lead_changes, lambda a, b: [k - 1 for k in changes(a, b)]),  # from 0
    (checks.lead_changes, lambda a, b: (np.flatnonzero(np.diff(leads(a, b))) + 2).tolist()),  # ties are changes
    (checks.lead_changes, lambda a, b: (np.flatnonzero(np.diff(leads(a, b) > 0)) + 2).tolist()),  # a tie is the first's
    (checks.lead_changes, lambda a, b: [1, *changes(a, b)]),
    (checks.lead_changes, lambda a, b: changes(a, b)[-1:]),  # the last alone
    (checks.chance_of_a_one, lambda theta, sigma, many: sigma),
    (checks.chance_of_a_one, lambda theta, sigma, many: theta),
    (checks.chance_of_a_one, lambda theta, sigma, many: 1 - (1 - theta) ** many),
    (checks.chance_of_a_one, lambda theta, sigma, many: by_listing(theta, sigma, 2)),
    (checks.number_cost, lambda numbers: np.mean(np.log2(numbers))),
    (checks.number_cost, lambda numbers: np.mean(np.floor(np.log2(numbers)))),
    (checks.number_cost, lambda numbers: np.log2(max(numbers))),
    (checks.rebuilt_theta, lambda c, k, w, clip: np.clip(c[np.arange(3), k - 1].mean(0), clip, 1 - clip)),
    (checks.rebuilt_theta, lambda c, k, w, clip: rebuilt(c, k, w)),
    (checks.rebuilt_theta, lambda c, k, w, clip: np.average(c[np.arange(3), k % 3], axis=0, weights=w)),
    (checks.rebuilt_theta, lambda c, k, w, clip: np.average(c[0, k - 1], axis=0, weights=w)),
    (checks.fewest_kept, greedy),
    (
        checks.fewest_kept,
        lambda numbers, target, error: (fewest(numbers, target, error)[0] or 1, 1),
    ),  # nothing is no choice
    (checks.fewest_kept, lambda numbers, target, error: np.nan_to_num(fewest(numbers, target, error), nan=-1)),
    (checks.fewest_kept, without_count),
    (checks.fewest_kept, lambda numbers, target, error: fewest(numbers, target, 0.001)),  # the nearest
    (checks.fewest_kept, lambda numbers, target, error: fewest(np.repeat(numbers, 2), target, error)),  # kept twice
    (checks.least_numbers, lambda error, density: numbers_needed(error, min(density, 0.5))),
    (checks.least_numbers, lambda error, density: math.ceil(numbers_needed(error, min(density, 0.5)))),
    (checks.least_numbers, lambda error, density: counted(error, density, allowed=math.ceil)),
    (checks.least_numbers, lambda error, density: counted(error, density, first=1)),  # without the empty subset
    (checks.least_numbers, lambda error, density: counted(error, 1.0)),
    (checks.magnitude_mask, lambda w, share: w >= np.sort(w, axis=None)[::-1][round(share * w.size) - 1]),
    (checks.magnitude_mask, lambda w, share: by_sorting(w, 1 - share)),
    (checks.magnitude_mask, lambda w, share: 1 - by_sorting(w, share)),
    (checks.magnitude_mask, lambda w, share: by_sorting(w, share).ravel()),
    (checks.magnitude_mask, lambda w, share: by_sorting(w, share) * w),
    (checks.share_left, lambda prune, rounds: prune**rounds),
    (checks.share_left, lambda prune, rounds: 1 - prune * rounds),
    (checks.share_left, lambda prune, rounds: 1 - (1 - prune) ** rounds),
    (checks.next_start, lambda first, trained, share: trained * by_sorting(trained, share)),
    (checks.next_start, lambda first, trained, share: first * by_sorting(first, share)),
    (checks.next_start, lambda first, trained, share: first),
    (checks.next_start, lambda first, trained, share: first * (1 - by_sorting(trained, share))),
    (checks.next_start, lambda first, trained, share: first * (trained >= np.sort(trained)[-round(share * 4)])),
    (checks.masked_forward, lambda x, w, b, m: x @ w.T + b),  # the mask forgotten
    (checks.masked_forward, lambda x, w, b, m: x @ (w * m[:6].reshape(2, 3)).T + b),  # on the bias
    (checks.masked_forward, lambda x, w, b, m: x @ (w * m[:6].reshape(3, 2).T).T + b * m[6:]),  # column by column
    (checks.masked_forward, lambda x, w, b, m: x @ (w * m[2:].reshape(2, 3)).T + b * m[:2]),  # biases first
    (checks.masked_forward, lambda x, w, b, m: forward(x, w, b, m > 0)),  # probabilities made binary
    (checks.exact_gradient, lambda s, f: gradient(s, f, lambda m, p: 1 / 2 ** len(m))),  # all masks alike
    (checks.exact_gradient, lambda s, f: differences(s, f) / (sigma(s) * (1 - sigma(s)))),  # by θ, not s
    (checks.exact_gradient, lambda s, f: (f(np.ones(len(s))) - f(np.zeros(len(s)))) * sigma(s) * (1 - sigma(s))),
    (checks.exact_gradient, lambda s, f: gradient(s, lambda m: f(sigma(s)))),  # the loss of the mean
    (checks.partial_cohort, lambda b, m, s, a: (m[a] * s[a, None]).sum(0) / s.sum()),  # silence as zeros
    (checks.partial_cohort, lambda b, m, s, a: m[a].mean(0) if a.any() else b),  # unweighted
    (checks.partial_cohort, lambda b, m, s, a: np.average(m, axis=0, weights=s)),  # everybody
    (checks.partial_cohort, lambda b, m, s, a: (m[a] * s[a, None]).sum(0) / max(1, s[a].sum())),  # θ lost
    (checks.interval, not_what_is_left),  # not of what is left
    (checks.interval, ones_first),  # ones below
    (
        checks.interval,
        lambda bits, p: np.cumsum(divided(bits, p)),
    ),  # high end, not width
    (checks.interval, lambda bits, p: divided(bits[:-1], p[:-1])),  # before the last bit
    (checks.interval, lambda bits, p: divided(bits, p[:1] * len(p))),  # one probability for all
    (checks.header, lambda m: [struct.unpack_from("4sBBII8sII", m)[i] for i in (3, 4, 7)]),  # padded fields
    (checks.header, lambda m: [struct.unpack_from(">4sBBII8sII", m)[i] for i in (3, 4, 7)]),  # highest byte first
    (checks.header, lambda m: (m[6], m[10], m[26])),  # one byte of each
    (checks.header, lambda m: (*struct.unpack_from("<II", m, 6), len(m))),  # the whole length
    (checks.knee, lambda lams, a, tol: lams[a.mean(1) >= a.mean(1)[np.argmin(lams)] - tol].max()),  # a lucky later one
    (checks.knee, lambda lams, a, tol: lams[a.mean(1) >= a.mean(1).max() - tol].max()),  # against the best
    (checks.knee, first_fall),  # in the order given
    (checks.knee, lambda lams, a, tol: lams[a.min(1) >= a.mean(1)[np.argmin(lams)] - tol].max()),  # the worst seed
    (checks.owners, lambda clients, each, classes: (clients * each // classes, clients * each // classes)),
    (checks.owners, lambda clients, each, classes: (clients // classes, -(-clients // classes))),
    (checks.owners, lambda clients, each, classes: (clients * each // classes, -(-clients * each // classes))),
    (checks.owners, lambda clients, each, classes: (clients * each / classes, math.ceil(clients * each / classes))),
    (checks.same_owner, lambda alpha, clients: 1 / clients),
    (checks.same_owner, lambda alpha, clients: alpha / (clients * alpha)),
    (checks.same_owner, lambda alpha, clients: (alpha + 1) / (clients * alpha)),
    (checks.same_owner, lambda alpha, clients: (alpha + 1) / (clients * (alpha + 1))),
    (checks.total_megabytes, lambda h: h["uplink_bytes"].sum() / 1e6),  # up alone
    (checks.total_megabytes, lambda h: both(h).iloc[-1] / 1e6),  # the last round
    (checks.total_megabytes, lambda h: both(h).sum() / 2**20),  # mebibytes
    (checks.total_megabytes, lambda h: (both(h) * h["cohort"]).sum() / 1e6),  # times the clients
    (checks.total_megabytes, lambda h: both(h).sum()),  # bytes
    (checks.megabytes_to, lambda h, t: until(h, t, (both(h).cumsum() - both(h)) / 1e6)),  # that round not paid
    (checks.megabytes_to, lambda h, t: until(h, np.nextafter(t, 1))),  # more than, not reached
    (checks.megabytes_to, lambda h, t: until(h, t, both(h) / 1e6)),  # that round alone
    (checks.megabytes_to, first_time),
    (checks.megabytes_to, lambda h, t: (both(h).cumsum() / 1e6)[h["accuracy_expected"] >= t].max()),  # the last time
    (checks.megabytes_to, lambda h, t: until(h.fillna(0), t)),  # a gap as a fall
    (checks.megabytes_to, lambda h, t: until(h.dropna(), t)),  # gaps dropped
    (checks.megabytes_to, lambda h, t: np.nan_to_num(until(h, t))),  # never is nothing
    (checks.megabytes_to, lambda h, t: None if np.isnan(until(h, t)) else until(h, t)),  # never is None
    (checks.living, lambda first, second: first.sum(0) + second.sum()),
    (checks.living, forward_only),
    (checks.living, of_all_inputs),
    (checks.living, all_paths),
    (checks.living, lambda first, second: first.T @ second.any(0)),  # the first layer's alone
    (checks.accepted, lambda replies, now, asked: sorted(client for client, _ in replies)),
    (checks.accepted, lambda replies, now, asked: sorted(c for c, r in replies if r == now and c in asked)),
    (checks.accepted, lambda replies, now, asked: sorted({c for c, r in replies if r == now})),
    (checks.accepted, lambda replies, now, asked: sorted({c for c, r in replies if c in asked})),
    (checks.accepted, lambda replies, now, asked: [c for c, r in dict(replies).items() if r == now and c in asked]),
    (checks.accepted, lambda replies, now, asked: sorted(c for c, r in dict(replies[::-1]).items() if r == now)),
    (checks.whole_sum, lambda updates, weights, unit: weights @ updates / unit),
    (checks.whole_sum, lambda updates, weights, unit: np.rint(weights @ updates / unit)),
    (checks.whole_sum, lambda updates, weights, unit: np.rint(updates / unit).sum(0)),
    (checks.whole_sum, lambda updates, weights, unit: np.rint(weights[:, None] * updates / unit).sum(0)),
    (checks.whole_sum, lambda updates, weights, unit: weights @ np.floor(updates / unit)),
]


EVERY = sorted({check for check, _ in RIGHT}, key=lambda check: check.__name__)
MISTAKES = re.compile(r"Not yet: .+ (gives|is) .+[.?] \S.+[.?]\n")
"""With which input, what came back, and a sentence that fits."""


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_right_answers_pass(check, answer, capsys):
    assert check(answer) is None, "a notebook's cell shows the line alone"
    assert capsys.readouterr().out == "PASS\n"
    assert checks.verdict(check, answer) == (True, "PASS")


@pytest.mark.parametrize(("check", "answer"), WRONG)
@pytest.mark.filterwarnings("ignore:.*encountered in.*")
def test_the_usual_mistakes_get_a_line_that_fits(check, answer, capsys):
    assert check(answer) is None
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert MISTAKES.match(said), said
    assert "Error" not in said, "a wrong number, not a crash"
    assert checks.verdict(check, answer) == (False, said.removesuffix("\n"))


def test_every_exercise_is_checked_here():
    notebooks = (ROOT / "notebooks").glob("*.ipynb")
    used = {
        name for file in notebooks for name in re.findall(r"checks\.(\w+)\(\w+\);", file.read_text(encoding="utf-8"))
    }
    assert used == {check.__name__ for check in EVERY} == {check.__name__ for check, _ in WRONG} | {"reading"}


@pytest.mark.parametrize("check", EVERY, ids=lambda check: check.__name__)
def test_a_stub_is_told_so_and_given_nothing(check, capsys):
    for stub in (lambda *_: ..., ..., None):
        check(stub)
        assert capsys.readouterr().out == "Not yet: nothing is written here so far.\n"


@pytest.mark.parametrize("check", [check for check in EVERY if check is not checks.reading], ids=lambda c: c.__name__)
def test_what_every_function_can_get_wrong_has_a_line_of_its_own(check):
    """Not that of the content: which is wrong as well, and is not the point yet."""
    hints = [case.hint for case in check.cases()]

    def forgets(*given):
        pass

    def fails(*given):
        return 1 / 0

    def says(*given):
        return "a half"

    def doubles(*given):
        return np.ones((3, 1, 7))

    lines = {answer: checks.verdict(check, answer).line for answer in (forgets, fails, says, doubles)}
    assert re.fullmatch(r"Not yet: forgets\(.+\) gives None: is its return missing\? Wanted: .+\.", lines[forgets])
    raised = r"Not yet: fails\(.+\) raised ZeroDivisionError: division by zero\. Wanted: .+\."
    assert re.fullmatch(raised, lines[fails])
    assert re.fullmatch(r"Not yet: says\(.+\) gives text, 'a half'\. Wanted: .+\.", lines[says])
    shape = r"Not yet: doubles\(.+\) gives an array of shape \(3, 1, 7\), .+\. Wanted: .+\."
    assert re.fullmatch(shape, lines[doubles])
    for line in lines.values():
        assert "\n" not in line
        assert not any(hint in line for hint in hints)
    assert checks.verdict(check, 0.5).line == "Not yet: a function is wanted, and this is a number: 0.5."


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (lambda q, cohort: np.mean(q), "([0.5, 0.5, 0.5, 0.5], 2) gives 0.5, wanted 0.125. Clients that are alike"),
        (lambda q, cohort: [0.125], "gives an array of shape (1,), [0.125]. Wanted: a number."),
        (lambda q, cohort: {"variance": 0.125}, "gives a dict, {'variance': 0.125}. Wanted: a number."),
        (lambda q, cohort: [0.125, None], "gives a list, [0.125, None]. Wanted: a number."),
        (lambda q, cohort: [[1], [1, 2]], "gives a list, [[1], [1, 2]]. Wanted: a number."),
        (lambda q, cohort: 0.125 + 0j, "gives a complex"),
        (lambda q: 0.125, "raised TypeError"),
        (lambda q, cohort: next(iter(())), "raised StopIteration: StopIteration. Wanted: a number."),
    ],
)
def test_a_line_shows_the_input_what_came_back_and_what_was_wanted(answer, line):
    assert line in checks.verdict(checks.cohort_variance, answer).line


def test_a_list_that_is_too_long_is_a_wrong_answer_and_no_wrong_shape():
    line = checks.verdict(checks.accepted, lambda replies, now, asked: sorted(client for client, _ in replies)).line
    assert line.endswith("gives [0, 1], wanted [1]. An update of another round answers another θ.")
    line = checks.verdict(checks.accepted, lambda replies, now, asked: set(asked)).line
    assert line.endswith("gives a set, {0, 2}. Wanted: a list of numbers.")


def test_a_megabyte_is_not_a_mebibyte_and_the_line_says_so():
    line = checks.verdict(checks.total_megabytes, lambda h: both(h).sum() / 2**20).line
    assert "gives 0.00143051, wanted 0.0015. " in line
    assert "a megabyte is 10⁶ bytes" in line


@pytest.mark.parametrize("never", [-1, 0, None, math.inf])
def test_never_is_not_a_number(never):
    answer = lambda h, t: never if np.isnan(until(h, t)) else until(h, t)  # noqa: E731
    assert not checks.verdict(checks.megabytes_to, answer).passed


def test_long_inputs_are_named_and_not_printed():
    lines = [checks.verdict(check, lambda *given: 1 / 0).line for check in EVERY if check is not checks.reading]
    assert max(map(len, lines)) < 600
    tables = checks.verdict(checks.chosen_lam, lambda study: -1.0).line
    assert "a table of 16 rows, " in tables
    assert "accuracy_val" in tables


@pytest.mark.parametrize("check", [check for check in EVERY if check is not checks.reading], ids=lambda c: c.__name__)
def test_a_check_hands_out_copies(check):
    """An answer that overwrites all it was given spoils neither its other arguments nor the next call."""
    right = next(answer for of, answer in RIGHT if of is check)

    def overwrites(*given):
        outcome = copy.deepcopy(right(*given))
        for each in given:
            if isinstance(each, np.ndarray) and each.size:
                each[...] = 0
            elif isinstance(each, list | set):
                each.clear()
            elif isinstance(each, pandas.DataFrame):
                del each[each.columns[0]]
        return outcome

    assert checks.verdict(check, overwrites).passed
    assert checks.verdict(check, right).passed


def test_no_function_of_the_package_is_an_answer():
    """Nor do the checks' modules, which students have, hold solutions: what is expected is a number there."""
    assert not checks.verdict(checks.interval, lambda bits, ones: subdivide(bits, ones)[-1]).passed
    assert not checks.verdict(checks.faulty_points, faulty_figures.accuracy_by_lam).passed
    allowed = {"teaching.checks", "teaching.label_skew", "errors", "models", "wire.frame"}
    for file in (ROOT / "fedsparse" / "teaching" / "checks").glob("*.py"):
        found = re.findall(r"from fedsparse\.(\S+) import", file.read_text(encoding="utf-8"))
        assert {re.sub(r"(checks)\..*", r"\1", name) for name in found} <= allowed, file.name


def test_two_arguments_are_never_one_object():
    @exercise
    def doubled():
        same = np.ones(2)
        yield Case((same, same), [2, 2], "They are added.")
        yield Case((same, np.zeros(2)), [1, 1], "They are added.")

    def adds_in_place(left, right):
        left += 0.5
        return left + right + [-0.5, -0.5]

    assert checks.verdict(doubled, adds_in_place).passed


def test_a_reading_needs_its_judgements_and_a_reason():
    reason = "Of 0.46 points ± 1.19 the interval reaches beyond one point."
    assert checks.verdict(checks.reading, READING | {"because": reason}).passed
    for sentence, stands in READING.items():
        for other in {"yes", "no", "undecided"} - {stands}:
            line = checks.verdict(checks.reading, READING | {"because": reason, sentence: other}).line
            assert line.startswith(f"Not yet: the entry '{sentence}' is '{other}'. ")
            assert f'"{stands}", ' not in line.split(". ")[0], "not which it is"
    for good in (
        "The 95 % confidence interval runs from -0.73 to 1.65 points, so one point of loss lies inside it.",
        "With 0.46 +/- 1.19 we cannot tell whether accuracy falls by more than one point.",
        "Five seeds leave a margin of 1.19 around a mean loss of 0.46, and both answers fit.",
    ):
        assert checks.verdict(checks.reading, READING | {"because": good}).passed, good
    for poor in (
        "",
        "It is so.",
        0.46,
        "The interval of the loss is too wide to say anything about it at all.",  # no number
        "The interval of the loss at λ = 10 is too wide to say anything.",  # none of the table
        "one two three four five six seven 8",
        "one two three four five six seven 8.5",
        "The loss of accuracy is 0.46 points, which is less than one point.",  # a mean alone
        "The interval goes from -0.73 to 1.65, so that it is undecided.",  # of what?
    ):
        assert "A reason is a sentence" in checks.verdict(checks.reading, READING | {"because": poor}).line
    first = next(iter(READING))
    for empty in (..., None):
        line = checks.verdict(checks.reading, READING | {"because": reason, first: empty}).line
        assert line == f"Not yet: the entry '{first}' is still to be written."
    assert "raised KeyError" in checks.verdict(checks.reading, READING).line


# The exercises on results that are kept: what they ask for, computed here in another way


def schedules():
    study = pandas.read_csv(RESULTS / "schedules-digits.csv")
    return study, study[study["round"] == study["rounds"]].set_index("seed")


def test_the_reading_is_that_of_the_kept_study():
    _, ends = schedules()
    chose = {0: "constant", 10: "server_loss", 30: "server_loss", 100: "server_loss"}
    of = {lam: ends[(ends["lam"] == lam) & (ends["lam_schedule"] == name)] for lam, name in chose.items()}
    lost = {
        (network, lam): interval(100 * (of[0][column] - of[lam][column]))
        for network, column in (("sampled", "accuracy"), ("shipped", "accuracy_threshold"))
        for lam in (10, 30, 100)
    }
    saves = interval(of[0]["bpp_uplink"] - of[10]["bpp_uplink"])

    def above(mean_and_half, border):
        mean, half = mean_and_half
        return "yes" if mean - half > border else "no" if mean + half <= border else "undecided"

    opposite = {"yes": "no", "no": "yes", "undecided": "undecided"}
    assert list(READING.values()) == [
        opposite[above(lost["sampled", 10], 1)],
        above(lost["shipped", 30], 1),
        above(lost["sampled", 100], 1),
        opposite[above(lost["shipped", 100], 1)],
        above(saves, 0.2),
    ]
    assert [f"{value:.2f}" for value in lost["sampled", 10]] == ["0.46", "1.19"], "as in the model answer"


def test_the_kept_study_chooses_the_lambda_of_the_demo():
    study, _ = schedules()
    assert solution("05_fedpm_vs_regularized", "chosen")(study) == 10 == chosen(study)


def test_the_fault_in_the_figure_makes_its_sentence():
    history = pandas.read_csv(RESULTS / "lambda-digits.csv")
    drawn = faulty_figures.accuracy_by_lam().groupby("lam")["accuracy_threshold"].mean()
    assert np.allclose(solution("06_lambda_sweep", "points_of")(history), drawn)
    dots = history.groupby(["lam", "seed"])["accuracy_threshold"].max()
    assert np.allclose(faulty_figures.accuracy_by_lam()["accuracy_threshold"], dots), "point by point"
    true = history[history["round"] == 40].groupby("lam")["accuracy_threshold"].mean()
    assert (drawn[:7.0] > drawn[0] - 0.01).all()
    assert true[0.3] < true[0] - 0.01, "the figure with the right points says the opposite"


@pytest.mark.parametrize("density", [0.125, 0.25, 0.5])
def test_the_formula_never_lies_above_the_exact_count(density):
    for error in (0.3, 0.125, 0.01, 0.001):
        assert numbers_needed(error, density) <= counted(error, density)


def solution(notebook, name):
    """The function of that name in a notebook's solutions."""
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    (code,) = [c for text in texts for c in re.findall(r"```python\n(.*?)```", text, re.S) if f"def {name}(" in c]
    found = {"np": np}
    exec(code, found)
    return found[name]
