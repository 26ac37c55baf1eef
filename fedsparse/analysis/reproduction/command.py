"""Repeat the papers' experiments: run what is missing, then write docs/reproduction.md.

    python -m fedsparse reproduce [scale=…] [part=…] [dataset=…] [jobs=…] [data_root=FOLDER] [out=FOLDER]
    python -m fedsparse reproduce --list        what is done, what is missing, how long each takes
    python -m fedsparse reproduce --page        write the page and its figures, and run nothing

The most telling runs come first. Every finished run enters the record at once, and the same call continues those that
were cut off. scale is the papers' where there is a GPU, else small; part and dataset are all of them; jobs is every
core of a processor, or 1 on a GPU; data_root is data, and out is runs/paper.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from fedsparse.analysis.processes import in_processes
from fedsparse.analysis.reproduction.listing import listing
from fedsparse.analysis.reproduction.plan import PARTS, SCALE_TITLES, SCALES, TITLES, choices, members
from fedsparse.analysis.reproduction.record import FOLDER, Record, rounds_done, sign, signature
from fedsparse.analysis.sweeps import Failed, attempt_all
from fedsparse.errors import RunError, SettingError
from fedsparse.experiment import Experiment
from fedsparse.run_folder import RunFolder
from fedsparse.runs import Run
from fedsparse.tools.overrides import CommandLine

ALL = "all"


def main(argv: Sequence[str]) -> int:
    """Do it; returns the exit code: 0 done, 1 some runs failed.

    Raises:
        FedsparseError: a mistake in the call, another folder than the repository's, or a page that cannot be written.
    """
    line = CommandLine(argv, switches=("--list", "--page"))
    scale, jobs = ("paper", 1) if torch.cuda.is_available() else ("small", -1)
    scale, jobs = line.option("scale", scale, SCALES), line.option("jobs", jobs)
    part, dataset = line.option("part", ALL, [*PARTS, ALL]), line.option("dataset", ALL, [*TITLES, ALL])
    places = {"data_root": line.option("data_root", "data"), "out": line.option("out", "runs/paper")}
    line.settings()
    if len(line.switches) > 1:
        raise SettingError("--list and --page are two calls")
    if not Path(FOLDER).is_dir():
        raise RunError(f"no {FOLDER} here: call it in the folder of the repository")
    record, parts = Record(), list(PARTS) if part == ALL else [part]

    def runs(part: str) -> list[Experiment]:
        found = members(part, scale, choices(scale, record))
        return [e.replace(**places) for e in found if dataset in (ALL, e.dataset)]

    if "--list" in line.switches:
        print(listing(scale, {part: runs(part) for part in parts}, record))
        return 0
    if not line.switches and not any(runs(part) for part in parts):
        chosen = {name: text for name, text in (("part", part), ("dataset", dataset)) if text != ALL}
        what = " ".join(f"{name}={text}" for name, text in ({"scale": scale} | chosen).items())
        raise SettingError(f"no run of {what} is planned, or not yet: --list says what comes first")
    from fedsparse.analysis.reproduction.page import write  # only now, since it draws

    failed: dict[str, list[str]] = {}
    if not line.switches:
        print(f"scale={scale}: {SCALE_TITLES[scale]}; every finished run is kept, stopped ones go on", flush=True)
        try:
            for part in parts:  # one after the other, as later ones need what earlier ones have chosen
                _run(part, [e for e in runs(part) if not record.row(e)], record, jobs, failed)
        finally:
            for why, keys in failed.items():
                count = len(set(keys))  # a run may belong to several parts
                print(f"{count} run{'s' * (count > 1)} failed, {keys[0]} first: {why}", file=sys.stderr)
    print(f"the reproduction page: {write(record)}")
    return int(bool(failed))


def details() -> str:
    """For the help: what can be chosen."""
    lines = [f"scale: {', '.join(SCALES)}", f"dataset: {', '.join(TITLES)}", "part, in this order:"]
    return "\n".join([*lines, *(f"  {name:<12}{title}" for name, title in PARTS.items())])


def _run(part: str, missing: Sequence[Experiment], record: Record, jobs: int, failed: dict[str, list[str]]) -> None:
    """Do the missing runs of a part, and record them; the keys of those that fail are added to `failed`, by reason."""
    for outcome in in_processes(_do, [(e,) for e in missing], jobs, ordered=False):
        if isinstance(outcome, Run):
            record.add(outcome)
            last = outcome.history.last
            rates = {"entropy": last["bpp_entropy"], "uplink": last["bpp_uplink"]}
            measured = ", ".join(f"{words} {rate:.3f} bpp" for words, rate in rates.items() if not math.isnan(rate))
            print(f"{part}: {outcome.experiment.key}: accuracy {last['accuracy']:.3f}, {measured}", flush=True)
        else:
            failed.setdefault(outcome.why, []).append(outcome.experiment.key)


def _do(experiment: Experiment) -> Run | Failed:
    try:
        if rounds_done(experiment) < experiment.rounds:
            sign(experiment)
    except RunError as error:
        return Failed(experiment, str(error))
    (outcome,) = attempt_all([experiment], 1)
    if not RunFolder(experiment).path.exists():  # nothing came of it: leave nothing behind
        signature(experiment).unlink(missing_ok=True)
    return outcome
