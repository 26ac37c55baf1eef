"""The command: `python -m fedsparse reproduce [--list | --page] [scale=…] [part=…] [dataset=…] [data_root=…] [jobs=…]`.

Runs what is missing, the most telling first, each as far as it had not come. Every finished run enters the record at
once; stopped at any moment, the same call goes on.
"""

import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import joblib
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from fedsparse.analysis.reproduction.listing import listing
from fedsparse.analysis.reproduction.page import write
from fedsparse.analysis.reproduction.plan import DATASETS, PARTS, SCALE_TITLES, SCALES, chosen_lams, members
from fedsparse.analysis.reproduction.record import Record, rounds_done, sign, signature
from fedsparse.analysis.sweeps import Failed, attempt_all
from fedsparse.errors import FedsparseError, RunError, SettingError
from fedsparse.experiment import Experiment, nearest
from fedsparse.federation import Run
from fedsparse.run_folder import RunFolder


@dataclass(frozen=True)
class Call:
    """What was asked for."""

    scale: str
    part: str = ""
    dataset: str = ""
    data_root: str = "data"
    out: str = "runs/paper"
    jobs: int = 0

    def members(self, part: str, record: Record) -> list[Experiment]:
        """The runs of a part, those of the data set that was asked for."""
        found = members(part, self.scale, chosen_lams(self.scale, record))
        places = {"data_root": self.data_root, "out": self.out}
        return [e.replace(**places) for e in found if self.dataset in ("", e.dataset)]


def main(argv: Sequence[str]) -> int:
    """Do it; returns the exit code: 0 done, 2 a mistake in the call or runs that failed, 130 interrupted."""
    flags = [a for a in argv if a.startswith("-")]
    if {"-h", "--help"} & set(flags):
        print(_help())
        return 0
    try:
        call = _read([a for a in argv if not a.startswith("-")])
        if flags not in ([], ["--list"], ["--page"]):
            raise SettingError(f"no option {flags[-1]!r}: there are --list and --page, one at a time")
        record = Record()
        if flags == ["--list"]:
            print(listing(call.scale, {p: call.members(p, record) for p in _parts(call)}, record), flush=True)
            return 0
        failed = 0 if flags else _run(call, record)
        print(f"the reproduction page: {write(record)}")
    except FedsparseError as error:
        print(f"fedsparse.analysis.reproduction: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read has seen enough, as `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\nfedsparse.paper: stopped; the same command goes on from the last finished rounds", file=sys.stderr)
        return 130
    return 2 if failed else 0


def _run(call: Call, record: Record) -> int:
    """Do what is missing, part after part, as later ones may need a λ that the first has found; how many failed."""
    print(f"scale={call.scale}: {SCALE_TITLES[call.scale]}; every finished run is kept, stopped ones go on", flush=True)
    jobs, failed = call.jobs or (1 if torch.cuda.is_available() else -1), 0
    for part in _parts(call):
        missing = [e for e in call.members(part, record) if not record.row(e)]
        for outcome in _attempts(missing, jobs):
            name = f"{part}: {outcome.experiment.key}"
            if isinstance(outcome, Run):
                record.add(outcome)
                last = outcome.history.last
                rates = {"entropy": last["bpp_entropy"], "sent up": last["bpp_uplink"]}
                said = ", ".join(f"{words} {rate:.3f} bpp" for words, rate in rates.items() if not math.isnan(rate))
                print(f"{name}: accuracy {last['accuracy_expected']:.3f}, {said}", flush=True)
            else:
                print(f"{name}: failed: {outcome.why}", file=sys.stderr, flush=True)
                failed += 1
    return failed


def _attempts(experiments: Sequence[Experiment], jobs: int) -> Iterator[Run | Failed]:
    """Outcomes side by side, each as soon as it is there."""
    try:
        yield from joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(map(joblib.delayed(_do), experiments))
    except TerminatedWorkerError:
        raise RunError("a run was ended from outside, perhaps for want of memory: a smaller jobs= may do") from None


def _do(experiment: Experiment) -> Run | Failed:
    if rounds_done(experiment) < experiment.rounds:
        sign(experiment)
    try:
        (outcome,) = attempt_all([experiment], 1)
    except (MemoryError, torch.OutOfMemoryError):
        outcome = Failed(experiment, "the memory does not suffice: a smaller jobs= may do")
    if not RunFolder(experiment).path.exists():  # nothing came of it: leave nothing behind
        signature(experiment).unlink(missing_ok=True)
    return outcome


def _parts(call: Call) -> list[str]:
    return [part for part in PARTS if call.part in ("", part)]


def _read(words: Sequence[str]) -> Call:
    choices = {"scale": tuple(SCALES), "part": tuple(PARTS), "dataset": DATASETS}
    names = (*choices, "data_root", "out", "jobs")
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in names or not equals:
            raise SettingError(f"{word!r} is not one of {', '.join(f'{n}=…' for n in names)}{nearest(name, names)}")
        if name in choices and value not in choices[name]:
            raise SettingError(f"{word} is not one of {', '.join(choices[name])}{nearest(value, choices[name])}")
        given[name] = value
    jobs = given.pop("jobs", "0")
    if not jobs.isdecimal():
        raise SettingError(f"jobs={jobs!r} is not a whole number of processes")
    scale = given.pop("scale", "paper" if torch.cuda.is_available() else "small")
    return Call(scale, **given, jobs=int(jobs))


def _help() -> str:
    parts = "\n".join(f"  {name:<10}{part.title}" for name, part in PARTS.items())
    return f"""python -m fedsparse reproduce            run what is missing, then write docs/reproduction.md
python -m fedsparse reproduce --list     what is done, what is missing, how long each takes
python -m fedsparse reproduce --page     write the page and its figures, run nothing

scale=      {", ".join(SCALES)}: the papers' where there is a GPU, else small
dataset=    {", ".join(DATASETS)}; all of them if none is named
part=       one of these, in this order if none is named:
{parts}
data_root=  folder in which data sets are found, or downloaded to [data]
out=        folder of run folders; a run that was cut off goes on from there, with the same data_root [runs/paper]
jobs=       runs side by side: every core of a processor, one on a GPU if none is named"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
