"""Train one federation, or every combination of several values.

    python -m fedsparse [preset=NAME] [name=value …]            one run
    python -m fedsparse --multirun lam=0,1,5 seed=0,1,2         a sweep of every combination, on all cores
    python -m fedsparse --show preset=demo lam=2                the settings that this would have; nothing is run
    python -m fedsparse --version

Runs resume: the same command goes on from the last finished round. Text such as out=FOLDER is taken as the shell passes
it; in a sweep its commas separate values, so a folder with a comma in its name needs a single run. A sweep also takes
the settings of Hydra's launchers, as in hydra/launcher=submitit_slurm or hydra.launcher.n_jobs=2.
"""

import hashlib
import re
import sys
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import yaml

from fedsparse.analysis.processes import ENDED, ctrl_c_is_ours, follow_caller
from fedsparse.analysis.sweeps import Failed, attempt, collect, distinct, log_to_stderr, summary
from fedsparse.errors import RunError, RunWarning, SettingError
from fedsparse.experiment import PRESETS, SETTINGS, Experiment, without_effect
from fedsparse.federation import run
from fedsparse.history import History
from fedsparse.run_folder import RunFolder, expanded
from fedsparse.runs import Run
from fedsparse.setting import allowed, help_of
from fedsparse.tools.overrides import MULTIRUN, TRAINING, CommandLine

SHOW = "--show"
HYDRA = re.compile(r"[+~]*hydra[./]")
"""What begins so is Hydra's own."""


def main(argv: Sequence[str]) -> int:
    """Run what the arguments describe; returns the exit code: 0 done, 1 a run failed or had no answer."""
    line = CommandLine(argv, switches=(MULTIRUN, SHOW))
    hydra = [f"{name}={line.given.pop(name)}" for name in list(line.given) if HYDRA.match(name)]
    if hydra and not line.multirun:
        raise SettingError(f"{hydra[0]} is for sweeps: add {MULTIRUN}")
    experiments = experiments_of(line)
    if SHOW in line.switches:
        print("\n".join(yaml.safe_dump(e.settings, sort_keys=False, allow_unicode=True) for e in experiments), end="")
        return 0
    if not line.multirun:
        done = _train(experiments[0])
        _print_run(done)
        return int(done.unanswered)
    experiments = distinct(experiments)
    for experiment in experiments:
        with RunFolder(experiment):  # an unwritable or busy folder is refused before anything is launched
            pass
    outcomes = _launch(experiments, hydra)
    _print_comparison(outcomes, experiments[0])
    return int(any(isinstance(o, Failed) or o.unanswered for o in outcomes))


def experiments_of(line: CommandLine) -> list[Experiment]:
    """Every experiment that a command line describes, each once.

    In a sweep, a setting that some of the experiments do not read is left at its default there, with a note.

    Raises:
        SettingError: an unknown name, a bad value, several values for a setting without `--multirun`, a setting that
            no experiment reads.
    """
    defaults = {name: f.default for name, f in SETTINGS.items()}
    combinations = line.combinations(TRAINING)
    presets = [str(settings.pop("preset")) if "preset" in settings else None for settings in combinations]
    ignored = [
        without_effect(defaults | PRESETS.get(preset or "", {}) | {n: v for n, v in given.items() if n in defaults})
        for given, preset in zip(combinations, presets, strict=True)
    ]
    for name in defaults:
        reasons = [reason[name] for reason in ignored if name in reason]
        if reasons and len(reasons) < len(combinations):
            print(f"fedsparse: {reasons[0]}; such runs have its default", file=sys.stderr)
            for given, reason in zip(combinations, ignored, strict=True):
                given |= {name: defaults[name]} if name in reason else {}
    every = [Experiment.of(given, preset=preset) for given, preset in zip(combinations, presets, strict=True)]
    return list(dict.fromkeys(every))


def _train(experiment: Experiment) -> Run:
    bar = sys.stderr.isatty()
    with warnings.catch_warnings(), nullcontext() if bar else log_to_stderr():
        warnings.simplefilter("ignore", RunWarning)  # the run's note is printed at the end
        return run(experiment, progress=bar)


def _launch(experiments: Sequence[Experiment], overrides: Sequence[str]) -> list[Run | Failed]:
    """Let Hydra's launcher run the experiments, each by its number: so no value has to be quoted for Hydra."""
    import hydra
    from hydra._internal.callbacks import Callbacks
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.errors import HydraException
    from hydra.types import HydraContext
    from joblib.externals.loky.process_executor import TerminatedWorkerError
    from omegaconf import DictConfig

    here = Path.cwd()

    def job(config: DictConfig) -> Run | Failed:
        follow_caller(here)
        with log_to_stderr():
            return attempt(experiments[config.number])

    # Launchers for clusters keep their own files in out; OmegaConf reads ${ as a name unless it is escaped.
    out = re.sub(r"(\\*)\$\{", r"\1\1\\${", str(expanded(experiments[0].out)))
    config = {
        "defaults": [
            "_self_",
            {"override hydra/launcher": "joblib"},
            {"override hydra/job_logging": "none"},
            {"override hydra/hydra_logging": "none"},
        ],
        "number": 0,
        "hydra": {"output_subdir": None, "sweep": {"dir": out, "subdir": "."}},
    }
    ConfigStore.instance().store(name="fedsparse", node=config)
    try:
        with hydra.initialize(version_base="1.3", config_path=None, job_name="fedsparse"):
            composed = hydra.compose("fedsparse", overrides=list(overrides), return_hydra_config=True)
            context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks(composed))
            plugins = Plugins.instance()
            launcher = plugins.instantiate_launcher(hydra_context=context, task_function=job, config=composed)
            with ctrl_c_is_ours():
                done = launcher.launch([[f"number={i}"] for i in range(len(experiments))], initial_job_idx=0)
    except HydraException as error:
        raise SettingError(str(error).splitlines()[0]) from None
    except TerminatedWorkerError:
        raise RunError(ENDED) from None
    return [job.return_value for job in done]


def _print_comparison(outcomes: Sequence[Run | Failed], first: Experiment) -> None:
    keys = hashlib.blake2b(" ".join(o.experiment.key for o in outcomes).encode(), digest_size=4).hexdigest()
    # Every sweep has a file of its own, and the same one when it is called again.
    file = expanded(first.out) / f"sweep-{keys}.csv"
    collect(outcomes, file)
    print(summary(outcomes).to_string(index=False, na_rep=""))
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            print(f"failed: {outcome.experiment.key}: {outcome.why}")
        elif outcome.note:
            print(f"{outcome.experiment.key}: {outcome.note}")
    runs, them = ("1 run", "it") if len(outcomes) == 1 else (f"{len(outcomes)} runs", "them")
    print(f"\n{runs}, every round of {them} in {file}")


def _print_run(done: Run) -> None:
    print(str(History(done.history.rows[-5:])))
    size, float32 = done.network_bytes, done.network.float32_bytes
    print(f"\n{done.folder}: network.fsp holds the network in {size:,} bytes; as float32 it has {float32:,}")
    if done.note:
        print(done.note)


def details() -> str:
    """For the help: presets and settings."""
    lines = [f"  {n}={f.default}".ljust(28) + f"{help_of(f)} [{allowed(f)}]" for n, f in SETTINGS.items()]
    return "\n".join([f"Presets: {', '.join(PRESETS)}", "", "Settings, with their defaults:", *lines])
