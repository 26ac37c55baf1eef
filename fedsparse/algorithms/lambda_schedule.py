"""The λ of each round, constant or following a target rate; and why a target was not met."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fedsparse.experiment import Experiment

STEP, DAMPING = 0.4, 1.5
"""Gains of the controller in log(1 + λ / SMALL): for a rate e times the target, and for one e times the previous."""
SMALL, MAX_LAM = 0.3, 1e6
"""The λ below which steps are absolute instead of relative; and the largest λ."""
LAST_ROUNDS = 5
"""Rounds at the end of a run whose mean rate is compared with the target."""
TOLERANCE = 0.1
"""Share of the target within which it counts as met."""


def next_lam(experiment: Experiment, lam: float, rate: float, previous: float, learned: float = 1.0) -> float:
    """λ of the next round, before it is multiplied by what has been learned; round 1 has the setting `lam`.

    Args:
        lam: λ of the last round.
        rate: mean size of its updates, in bpp measured; 0 if no client answered.
        previous: the same for the last earlier round in which a client answered; 0 if there is none.
        learned: what λ was multiplied by in the last round: while λ is held back, the controller's integral is too.
    """
    target = experiment.target_bpp
    return dual_step(lam, rate, previous or rate, target, learned) if target and rate else lam


def dual_step(lam: float, rate: float, previous: float, target: float, gain: float = 1.0) -> float:
    """One step of dual ascent on min loss subject to rate ≤ target, in u = log(1 + λ / SMALL).

        u ← max(0, u + gain · STEP · clip(ln(rate / target), −1, 1) + DAMPING · ln(rate / previous))

    The second term is the proportional one of Stooke et al. (ICML 2020, section 4): the rate falls by itself while a
    network learns, and lags behind λ, so that without it λ overshoots. λ's right size differs by orders of magnitude
    between networks and optimizers: in u, steps are relative, but for the smallest, where 0 can be reached.
    """
    error = min(1.0, max(-1.0, math.log(rate / target)))
    u = math.log1p(lam / SMALL) + gain * STEP * error + DAMPING * math.log(rate / previous)
    return min(MAX_LAM, SMALL * math.expm1(max(0.0, u)))


def missed_target(experiment: Experiment, history: Sequence[Mapping[str, Any]]) -> str:
    """One line on why the mean rate of the last rounds is not within a tenth of `target_bpp`; empty if it is."""
    target = experiment.target_bpp
    answered = [row for row in history if row["cohort"]][-LAST_ROUNDS:]
    if not target or not answered:
        return ""
    rate = math.fsum(row["bpp_uplink"] for row in answered) / len(answered)
    if abs(rate - target) <= TOLERANCE * target:
        return ""
    lams = [row["lam_used"] for row in answered]
    missed = f"target_bpp={target:g} was not met: the last {len(answered)} rounds sent {rate:.3g} bpp"
    if len(answered) < LAST_ROUNDS:
        few = "1 round is" if len(answered) == 1 else f"{len(answered)} rounds are"
        return f"target_bpp={target:g} is not met yet: {few} too few to tell whether it will be"
    if rate < target:
        if not any(lams):
            return f"{missed} at λ = 0, so the target is above what this federation sends"
        return f"{missed}, with λ = {lams[-1]:.3g} from {lams[0]:.3g}: more rounds may do"
    falling = answered[-1]["bpp_uplink"] < (1 - TOLERANCE) * answered[0]["bpp_uplink"]
    if falling:
        return f"{missed} and falling, with λ = {lams[-1]:.3g}: more rounds may do"
    return f"{missed} and no longer falls, with λ = {lams[-1]:.3g}: the target is below what this method reaches"
