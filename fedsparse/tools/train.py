"""Train one federation, or every combination of several values.

    python -m fedsparse [preset=NAME] [name=value …]            one run
    python -m fedsparse --multirun lam=0,1,5 seed=0,1,2         a sweep of every combination, on all cores
    python -m fedsparse --show preset=demo lam=2                the settings that this would have; nothing is run

Runs resume: the same command goes on from the last finished round. Text such as out=FOLDER is taken as the shell passes
it; in a sweep its commas separate values, so a folder with a comma in its name needs a single run. A sweep also takes
the settings of Hydra's launchers, as in hydra/launcher=submitit_slurm or hydra.launcher.n_jobs=2.
"""

import hashlib
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import yaml

from fedsparse.analysis.sweeps import Failed, collect, summary
from fedsparse.errors import FedsparseError, SettingError, TargetWarning
from fedsparse.experiment import PRESETS, SETTINGS, Experiment, allowed, help_of
from fedsparse.federation import Run, run
from fedsparse.history import History
from fedsparse.run_folder import RunFolder
from fedsparse.tools.overrides import MULTIRUN, TRAINING, CommandLine

SHOW = "--show"
HYDRA = re.compile(r"[+~]*hydra[./]")
"""What begins so is Hydra's own."""


def main(argv: Sequence[str]) -> int:
    """Run what the arguments describe; returns the exit code: 0 done, 1 some runs of a sweep failed."""
    line = CommandLine(argv, switches=(MULTIRUN, SHOW))
    hydra = [f"{name}={line.given.pop(name)}" for name in list(line.given) if HYDRA.match(name)]
    if hydra and not line.multirun:
        raise SettingError(f"{hydra[0]} is for sweeps: add {MULTIRUN}")
    experiments = experiments_of(line)
    if SHOW in line.switches:
        print("\n".join(yaml.safe_dump(e.settings, sort_keys=False, allow_unicode=True) for e in experiments), end="")
        return 0
    if not line.multirun:
        _print_run(_train(experiments[0]))
        return 0
    for experiment in experiments:
        with RunFolder(experiment):  # an unwritable or busy folder is refused before anything is launched
            pass
    _launch(experiments, hydra)
    outcomes = [_outcome(e) for e in experiments]
    _print_comparison(outcomes, experiments[0])
    return int(any(isinstance(o, Failed) for o in outcomes))


def experiments_of(line: CommandLine) -> list[Experiment]:
    """Every experiment that a command line describes, each once.

    Raises:
        SettingError: an unknown name, a bad value, several values for a setting without `--multirun`.
    """
    found = []
    for settings in line.combinations(TRAINING):
        preset = str(settings.pop("preset")) if "preset" in settings else None
        found.append(Experiment.of(settings, preset=preset))
    return list(dict.fromkeys(found))


def _train(experiment: Experiment) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TargetWarning)  # the run's note is printed at the end
        return run(experiment, progress=sys.stderr.isatty())


def _launch(experiments: Sequence[Experiment], overrides: Sequence[str]) -> None:
    """Let Hydra's launcher run the experiments, each by its number: so no value has to be quoted for Hydra."""
    import hydra
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf import DictConfig

    def job(config: DictConfig) -> None:
        experiment = experiments[config.number]
        try:
            _train(experiment)
        except FedsparseError as error:
            print(f"fedsparse: {experiment.key}: {error}", file=sys.stderr)

    out = Path(experiments[0].out).expanduser()
    config = {
        "defaults": [
            "_self_",
            {"override hydra/launcher": "joblib"},
            {"override hydra/job_logging": "none"},
            {"override hydra/hydra_logging": "none"},
        ],
        "number": 0,
        "hydra": {"output_subdir": None, "sweep": {"dir": str(out).replace("${", "\\${"), "subdir": "."}},
    }
    ConfigStore.instance().store(name="fedsparse", node=config)
    # Hydra hides its own mistakes behind SystemExit unless it is asked for the whole error.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    numbers = ",".join(map(str, range(len(experiments))))
    sys.argv = [sys.argv[0], MULTIRUN, f"number={numbers}", *overrides]
    try:
        hydra.main(version_base="1.3", config_path=None, config_name="fedsparse")(job)()
    except HydraException as error:
        raise SettingError(str(error).splitlines()[0]) from None
    (out / "multirun.yaml").unlink(missing_ok=True)  # the table of the sweep says more


def _outcome(experiment: Experiment) -> Run | Failed:
    folder = RunFolder(experiment).path
    file = folder / "history.csv"
    history = History.from_csv(file.read_text(encoding="utf-8")) if file.exists() else History()
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


def details() -> str:
    """For the help: presets and settings."""
    lines = [f"  {n}={f.default}".ljust(28) + f"{help_of(n)} [{allowed(n)}]" for n, f in SETTINGS.items()]
    return "\n".join([f"Presets: {', '.join(PRESETS)}", "", "Settings, with their defaults:", *lines])
