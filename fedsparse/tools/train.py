"""The command line: `python -m fedsparse lam=1`, or a sweep: `python -m fedsparse --multirun lam=0,0.1,1 seed=0,1,2`.

Hydra composes settings and launches sweeps. Mistakes are caught before Hydra sees them: one line, exit code 2.
"""

import hashlib
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from fedsparse.analysis.sweeps import Failed, collect, summary
from fedsparse.errors import FedsparseError, TargetWarning
from fedsparse.experiment import PRESETS, SETTINGS, Experiment, allowed
from fedsparse.federation import Run, run
from fedsparse.history import History
from fedsparse.run_folder import RunFolder
from fedsparse.tools.overrides import combinations

CONFIG = {
    "defaults": [
        "_self_",
        {"preset": None},
        {"override hydra/launcher": "joblib"},
        {"override hydra/job_logging": "none"},
        {"override hydra/hydra_logging": "none"},
    ],
    **{name: f.default for name, f in SETTINGS.items()},
    # Run folders are ours: Hydra is to leave nothing beside them.
    "hydra": {"output_subdir": None, "run": {"dir": "."}, "sweep": {"dir": "${out}", "subdir": "."}},
}


def main(argv: Sequence[str]) -> int:
    """Run what the arguments describe; returns the exit code: 0 done, 2 a mistake in the call, 130 interrupted."""
    flags = {a for a in argv if a.startswith("-")}
    if flags & {"-h", "--help"}:
        print(_help())
        return 0
    try:
        if flags - {"-m", "--multirun", "-r", "--run"}:  # --cfg, --info and the like: Hydra answers, and nothing is run
            _launch(argv)
            return 0
        experiments = experiments_of(argv)
        for experiment in experiments:
            with RunFolder(experiment):  # an unwritable or busy folder is refused before anything is launched
                pass
        _launch(argv)
        outcomes = [_outcome(e) for e in experiments]
    except FedsparseError as error:
        print(f"fedsparse: {error}", file=sys.stderr)
        return 2
    except HydraException as error:
        print(f"fedsparse: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\nfedsparse: stopped; every finished round is kept, and the same command goes on from there",
            file=sys.stderr,
        )
        return 130
    done = [r for r in outcomes if isinstance(r, Run)]
    if len(outcomes) > 1:
        _print_comparison(outcomes, experiments[0])
    elif done:
        _print_run(done[0])
    return 0 if len(done) == len(outcomes) else 2


def experiments_of(argv: Sequence[str]) -> list[Experiment]:
    """Every experiment that a command line describes, checked.

    Raises:
        SettingError: an argument that is no `name=value`, an unknown name, a bad value, or several values for a setting
            without `--multirun`.
    """
    found = []
    for settings in combinations([a for a in argv if not a.startswith("-")], bool({"-m", "--multirun"} & set(argv))):
        preset = str(settings.pop("preset")) if "preset" in settings else None
        found.append(Experiment.of(settings, preset=preset))
    return found


def _launch(argv: Sequence[str]) -> None:
    store = ConfigStore.instance()
    store.store(name="fedsparse", node=CONFIG)
    for name, settings in PRESETS.items():
        store.store(group="preset", name=name, node=settings, package="_global_")
    # Hydra hides its own mistakes behind SystemExit unless it is asked for the whole error.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    sys.argv = [sys.argv[0], *argv]
    hydra.main(version_base="1.3", config_path=None, config_name="fedsparse")(_job)()


def _job(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config)
    experiment = Experiment.of({str(k): v for k, v in settings.items()} if isinstance(settings, dict) else None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TargetWarning)  # the run's note is printed when all are done
            run(experiment, progress=sys.stderr.isatty())
    except FedsparseError as error:
        print(f"fedsparse: {experiment.key}: {error}", file=sys.stderr)


def _outcome(experiment: Experiment) -> Run | Failed:
    folder = RunFolder(experiment).path
    file = folder / "history.csv"
    history = History.from_csv(file.read_text()) if file.exists() else History()
    if len(history) == experiment.rounds:
        return Run(experiment, folder, history)
    return Failed(experiment, f"{len(history)} of {experiment.rounds} rounds done")


def _print_comparison(outcomes: Sequence[Run | Failed], first: Experiment) -> None:
    keys = hashlib.blake2b(" ".join(o.experiment.key for o in outcomes).encode(), digest_size=4).hexdigest()
    # Every sweep has a file of its own, and the same one when it is called again.
    file = Path(first.out).expanduser() / f"sweep-{keys}.csv"
    collect(outcomes, file)
    print(summary(outcomes).to_string(index=False, na_rep=""))
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            print(f"failed: {outcome.experiment.key}: {outcome.why}")
        elif outcome.note:
            print(f"{outcome.experiment.key}: {outcome.note}")
    print(f"\n{len(outcomes)} runs, every round of them in {file}")


def _print_run(done: Run) -> None:
    print(str(History(done.history.rows[-5:])))
    size, float32 = done.network_bytes, done.network.float32_bytes
    print(f"\n{done.folder}: network.fsp holds the network in {size:,} bytes; as float32 it has {float32:,}")
    if done.note:
        print(done.note)


def _help() -> str:
    lines = [
        "python -m fedsparse [preset=NAME] [name=value ...]      one federation",
        "python -m fedsparse --multirun lam=0,1,5 seed=0,1,2     every combination, on all cores",
        "",
        f"presets: {', '.join(PRESETS)}",
        "settings:",
    ]
    lines += [f"  {n}={f.default}".ljust(28) + f"{f.metadata['help']} [{allowed(n)}]" for n, f in SETTINGS.items()]
    return "\n".join(
        [*lines, "", "--cfg job prints the composed settings; python -m fedsparse doctor checks this machine."]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
