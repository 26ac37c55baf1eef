"""The notebooks' exercises: right answers pass however they are written, the usual mistakes get a hint."""

import itertools
import math
import struct
from fractions import Fraction

import numpy as np
import pytest

from fedsparse.analysis import costs
from fedsparse.entropy import binary_entropy, mask_entropy
from fedsparse.teaching import checks
from fedsparse.teaching.label_skew import label_skew
from fedsparse.teaching.range_coder_by_hand import subdivide

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


def estimate(s, m, x, w, t):
    return (np.sum(w * x * m) - t) * w * x * sigma(s) * (1 - sigma(s))


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


def mode(masks, prior):
    alpha, beta = prior + masks.sum(0), prior + (1 - masks).sum(0)
    return (alpha - 1) / (alpha + beta - 2)


def weighted(before, masks, samples, answered):
    if not answered.any():
        return before
    return np.average(masks[answered], axis=0, weights=samples[answered])


# Notebook 04


def each_context(weigh):
    return lambda mask, contexts: weigh(
        [(np.mean(contexts == c), float(binary_entropy(mask[contexts == c].mean()))) for c in np.unique(contexts)]
    )


def not_what_is_left(bits, ones):
    low, width = 0.0, 1.0
    for bit in bits:
        low, width = (low + 1 - ones, width * ones) if bit else (low, width * (1 - ones))
    return low, width


def ones_first(bits, ones):
    return tuple(map(float, subdivide([1 - b for b in bits], 1 - Fraction(ones))[-1]))


# Notebook 06


def price(theta, lam):
    return lam / len(theta) * theta * (1 - theta)


def step(lam, rate, target, floor=0.0, clip=1.0, gain=0.4):
    u = np.log1p(lam / 0.3) + gain * np.clip(np.log(rate / target), -clip, clip)
    return 0.3 * np.expm1(max(floor, u))


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


def share(gradients, theta, lam):
    wins = [abs(sum(g) / len(g)) < lam * t * (1 - t) / len(theta) for g, t in zip(gradients.T, theta, strict=True)]
    return sum(wins) / len(wins)


# Notebook 07


def mean_of_clients(table):
    rows = table / table.sum(1, keepdims=True)
    return np.abs(rows - rows.mean(0)).sum(1) / 2


def both_sides(table):
    return 2 * label_skew(table)


def counts_as_they_are(table):
    return np.abs(table - table.mean(0)).sum(1) / 2 / table.sum(1)


def overlap(table):
    rows, pool = table / table.sum(1, keepdims=True), table.sum(0) / table.sum()
    return 1 - np.minimum(rows, pool).sum(1)


def places(clients, each, classes):
    if each > classes or clients * each < classes:
        return 0, 0
    fewest, left = divmod(clients * each, classes)
    return fewest, fewest + (left > 0)


# Notebook 08


def both(history):
    return history["uplink_bytes"] + history["downlink_bytes"]


def until(history, target, so_far=None):
    so_far = both(history).cumsum() / 1e6 if so_far is None else so_far
    reached = so_far[history["accuracy_expected"] >= target]
    return reached.iloc[0] if len(reached) else np.nan


# Notebook 10


def entropy(p):
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def greedy(numbers, target):
    left = target
    for number in sorted(numbers, key=abs, reverse=True):
        if abs(left - number) < abs(left):
            left -= number
    return abs(left)


def not_nothing(numbers, target):
    sizes = range(1, len(numbers) + 1)
    return min(abs(sum(s) - target) for k in sizes for s in itertools.combinations(numbers, k))


def from_below(numbers, target):
    sums = [sum(s) for k in range(len(numbers) + 1) for s in itertools.combinations(numbers, k)]
    return min(target - s for s in sums if s <= target) if min(sums) <= target else np.inf


def forward_only(first, second):
    return first.sum(), (second * first.any(1)).sum()


def backward_only(first, second):
    return (first * second.any(0)[:, None]).sum(), second.sum()


def halves(numbers, target):
    if len(numbers) == 0:
        return abs(target)
    return min(halves(numbers[1:], target), halves(numbers[1:], target - numbers[0]))


def forward_with_parts(first, second):
    paths = second.any(0).astype(int) * first.any(1)
    return paths @ first.sum(1), second.sum(0) @ paths


# Notebook 11


def loop(updates, weights, unit):
    total = np.zeros(updates.shape[1], np.int64)
    for update, weight in zip(updates, weights, strict=True):
        total += int(weight) * np.rint(update / unit).astype(np.int64)
    return total


RIGHT = [
    (checks.magnitude_mask, by_sorting),
    (checks.magnitude_mask, by_threshold),
    (checks.share_left, lambda prune, rounds: (1 - prune) ** rounds),
    (checks.share_left, lambda prune, rounds: np.prod([1 - prune] * rounds)),
    (checks.next_start, lambda first, trained, share: first * by_sorting(trained, share)),
    (checks.next_start, lambda first, trained, share: np.where(by_threshold(trained, share), first, 0)),
    (checks.next_start, in_place),
    (checks.masked_forward, forward),
    (checks.masked_forward, lambda x, w, b, m: (forward(x, w, b, m)).tolist()),
    (checks.straight_through_gradient, estimate),
    (checks.exact_gradient, gradient),
    (checks.exact_gradient, differences),
    (checks.beta_mode, mode),
    (checks.beta_mode, lambda masks, prior: (masks.sum(0) + prior - 1) / (len(masks) + 2 * prior - 2)),
    (checks.mean_variance, lambda q: np.sum(q * (1 - q)) / len(q) ** 2),
    (checks.mean_variance, lambda q: np.mean(q - q**2) / len(q)),
    (checks.partial_cohort, weighted),
    (checks.conditional_entropy, each_context(lambda parts: sum(w * h for w, h in parts))),
    (checks.interval, lambda bits, ones: list(subdivide(bits, Fraction(ones))[-1])),
    (checks.header, lambda m: np.array([int.from_bytes(m[i : i + 4], "little") for i in (6, 10, 26)])),
    (checks.knee, knee),
    (checks.dominated_share, share),
    (checks.dual_ascent, step),
    (checks.skew, overlap),
    (checks.owners, places),
    (
        checks.same_owner,
        lambda alpha, clients: clients * alpha * (alpha + 1) / (clients * alpha * (clients * alpha + 1)),
    ),
    (checks.total_megabytes, lambda h: sum(h["uplink_bytes"]) / 1e6 + h["downlink_bytes"].to_numpy().sum() / 1e6),
    (checks.megabytes_to, until),
    (checks.break_even, costs.break_even),
    (checks.subset_sum, halves),
    (checks.counting_bound, lambda error, density: -math.log2(error) / entropy(1 - density)),
    (checks.living, forward_with_parts),
    (checks.whole_sum, loop),
    (checks.accepted, lambda replies, now, asked: [c for c in sorted(asked) if (c, now) in replies]),
]
WRONG = [
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
    (checks.straight_through_gradient, lambda s, m, x, w, t: (np.sum(w * x * m) - t) * w * x),  # no σ'
    (checks.straight_through_gradient, lambda s, m, x, w, t: estimate(s, m, x, w, t) * m),  # only what is there
    (checks.straight_through_gradient, lambda s, m, x, w, t: estimate(s, sigma(s), x, w, t)),  # y of θ
    (checks.straight_through_gradient, lambda s, m, x, w, t: estimate(s, m, x, w, t) * sigma(s)),  # scaled
    (checks.straight_through_gradient, lambda s, m, x, w, t: 2 * estimate(s, m, x, w, t)),
    (checks.straight_through_gradient, lambda s, m, x, w, t: -estimate(s, m, x, w, t)),
    (checks.exact_gradient, lambda s, f: gradient(s, f, lambda m, p: 1 / 2 ** len(m))),  # all masks alike
    (checks.exact_gradient, lambda s, f: differences(s, f) / (sigma(s) * (1 - sigma(s)))),  # by θ, not s
    (checks.exact_gradient, lambda s, f: (f(np.ones(len(s))) - f(np.zeros(len(s)))) * sigma(s) * (1 - sigma(s))),
    (checks.exact_gradient, lambda s, f: gradient(s, lambda m: f(sigma(s)))),  # the loss of the mean
    (checks.beta_mode, lambda masks, prior: (prior + masks.sum(0)) / (2 * prior + len(masks))),  # the mean
    (checks.beta_mode, lambda masks, prior: masks.mean(0)),  # no prior
    (checks.beta_mode, lambda masks, prior: 1 - mode(masks, prior)),  # α and β exchanged
    (checks.mean_variance, lambda q: np.mean(q * (1 - q))),  # of one coin
    (checks.mean_variance, lambda q: np.mean(q) * (1 - np.mean(q)) / len(q)),  # coins taken as alike
    (checks.mean_variance, lambda q: np.sqrt(np.sum(q * (1 - q))) / len(q)),  # standard deviation
    (checks.mean_variance, lambda q: 1 / (4 * len(q))),  # the bound
    (checks.partial_cohort, lambda b, m, s, a: (m[a] * s[a, None]).sum(0) / s.sum()),  # silence as zeros
    (checks.partial_cohort, lambda b, m, s, a: m[a].mean(0) if a.any() else b),  # unweighted
    (checks.partial_cohort, lambda b, m, s, a: np.average(m, axis=0, weights=s)),  # everybody
    (checks.partial_cohort, lambda b, m, s, a: (m[a] * s[a, None]).sum(0) / max(1, s[a].sum())),  # θ lost
    (checks.conditional_entropy, lambda mask, contexts: mask_entropy(mask)),  # contexts ignored
    (checks.conditional_entropy, each_context(lambda parts: np.mean([h for _, h in parts]))),  # contexts not weighed
    (
        checks.conditional_entropy,
        lambda mask, contexts: len(mask) * each_context(lambda parts: sum(w * h for w, h in parts))(mask, contexts),
    ),  # a sum, not a mean
    (
        checks.conditional_entropy,
        lambda mask, contexts: sum(
            -np.mean(contexts == c) * (p * np.log2(p) + (1 - p) * np.log2(1 - p))
            for c in np.unique(contexts)
            for p in [mask[contexts == c].mean()]
        ),
    ),  # 0 log 0
    (checks.interval, not_what_is_left),  # not of what is left
    (checks.interval, ones_first),  # ones below
    (
        checks.interval,
        lambda bits, p: np.cumsum(list(map(float, subdivide(bits, Fraction(p))[-1]))),
    ),  # high end, not width
    (checks.interval, lambda bits, p: tuple(map(float, subdivide(bits, Fraction(p))[-2:][0]))),  # before the last bit
    (checks.header, lambda m: [struct.unpack_from("4sBBII8sII", m)[i] for i in (3, 4, 7)]),  # padded fields
    (checks.header, lambda m: [struct.unpack_from(">4sBBII8sII", m)[i] for i in (3, 4, 7)]),  # highest byte first
    (checks.header, lambda m: (m[6], m[10], m[26])),  # one byte of each
    (checks.header, lambda m: (*struct.unpack_from("<II", m, 6), len(m))),  # the whole length
    (checks.dominated_share, lambda g, t, lam: np.mean(abs(g.mean(0)) < lam * t * (1 - t))),  # not divided by n
    (checks.dominated_share, lambda g, t, lam: np.mean(abs(g.mean(0)) < lam / len(t))),  # without θ(1 − θ)
    (checks.dominated_share, lambda g, t, lam: np.mean(abs(g).mean(0) < price(t, lam))),  # noise does not cancel
    (checks.dominated_share, lambda g, t, lam: np.mean(abs(g) < price(t, lam))),  # step by step
    (checks.dominated_share, lambda g, t, lam: np.mean(g.mean(0) < price(t, lam))),  # signs
    (checks.dominated_share, lambda g, t, lam: np.sum(abs(g.mean(0)) < price(t, lam))),  # a count
    (checks.knee, lambda lams, a, tol: lams[a.mean(1) >= a.mean(1)[np.argmin(lams)] - tol].max()),  # a lucky later one
    (checks.knee, lambda lams, a, tol: lams[a.mean(1) >= a.mean(1).max() - tol].max()),  # against the best
    (checks.knee, first_fall),  # in the order given
    (checks.knee, lambda lams, a, tol: lams[a.min(1) >= a.mean(1)[np.argmin(lams)] - tol].max()),  # the worst seed
    (checks.dual_ascent, lambda lam, rate, target: lam * np.exp(0.4 * np.log(rate / target))),  # stays at 0
    (checks.dual_ascent, lambda lam, rate, target: step(lam, target, rate)),  # the other way round
    (checks.dual_ascent, lambda lam, rate, target: step(lam, rate, target, clip=9)),  # not kept within
    (checks.dual_ascent, lambda lam, rate, target: step(lam, rate, target, floor=-9)),  # below 0
    (checks.dual_ascent, lambda lam, rate, target: step(lam, rate, target, gain=1.0)),  # the whole logarithm
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
    (checks.total_megabytes, lambda h: h["uplink_bytes"].sum() / 1e6),  # up alone
    (checks.total_megabytes, lambda h: both(h).iloc[-1] / 1e6),  # the last round
    (checks.total_megabytes, lambda h: both(h).sum() / 2**20),  # mebibytes
    (checks.total_megabytes, lambda h: (both(h) * h["cohort"]).sum() / 1e6),  # times the clients
    (checks.total_megabytes, lambda h: both(h).sum()),  # bytes
    (checks.megabytes_to, lambda h, t: until(h, t, (both(h).cumsum() - both(h)) / 1e6)),  # that round not paid
    (checks.megabytes_to, lambda h, t: until(h, np.nextafter(t, 1))),  # more than, not reached
    (checks.megabytes_to, lambda h, t: until(h, t, both(h) / 1e6)),  # that round alone
    (checks.megabytes_to, lambda h, t: (both(h).cumsum() / 1e6)[h["accuracy_expected"] >= t].max()),  # the last time
    (checks.megabytes_to, lambda h, t: until(h.dropna(), t)),  # gaps dropped
    (checks.megabytes_to, lambda h, t: np.nan_to_num(until(h, t))),  # never is nothing
    (checks.megabytes_to, lambda h, t: None if np.isnan(until(h, t)) else until(h, t)),  # never is None
    (checks.break_even, lambda a, b: np.argmax(b < a) + 1),  # round by round
    (checks.break_even, lambda a, b: costs.break_even(a, b) - 1),  # from 0
    (checks.break_even, lambda a, b: np.argmax(np.cumsum(b) < np.cumsum(a)) + 1),  # the first lead
    (checks.break_even, lambda a, b: costs.break_even(b, a)),  # the other way round
    (checks.break_even, lambda a, b: costs.break_even(a, b - 1e-9)),  # a tie is a win
    (checks.break_even, lambda a, b: np.nan_to_num(costs.break_even(a, b))),  # never is nothing, evens
    (checks.subset_sum, greedy),
    (checks.subset_sum, not_nothing),
    (checks.subset_sum, from_below),
    (checks.subset_sum, lambda numbers, target: np.abs(np.append(np.cumsum(numbers), 0) - target).min()),
    (checks.counting_bound, lambda error, density: math.log2(1 / error)),
    (checks.counting_bound, lambda error, density: math.log(1 / error) / entropy(density)),
    (checks.counting_bound, lambda error, density: math.log2(1 / error) / density),
    (checks.counting_bound, lambda error, density: math.log2(2 / error) / entropy(density)),
    (checks.living, lambda first, second: (first.sum(), second.sum())),
    (checks.living, forward_only),
    (checks.living, backward_only),
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


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_right_answers_pass(check, answer, capsys):
    assert check(answer)
    assert capsys.readouterr().out == "PASS\n"


@pytest.mark.parametrize(("check", "answer"), WRONG)
@pytest.mark.filterwarnings("ignore:.*encountered in.*")
def test_the_usual_mistakes_get_a_hint(check, answer, capsys):
    assert not check(answer)
    said = capsys.readouterr().out
    assert said.startswith("Not yet")
    assert "Error" not in said, "a wrong number, not a crash"


@pytest.mark.parametrize("check", dict.fromkeys(check for check, _ in RIGHT), ids=lambda check: check.__name__)
def test_a_stub_is_told_so(check, capsys):
    assert not check(lambda *_: ...)
    assert "still to be written" in capsys.readouterr().out


def test_an_error_comes_with_the_hint(capsys):
    assert not checks.megabytes_to(lambda h, t: (both(h).cumsum() / 1e6)[h["accuracy_expected"] >= t].iloc[0])
    assert capsys.readouterr().out.startswith(
        "Not yet: IndexError: single positional indexer is out-of-bounds. Where the"
    )
