"""Run a federation through `flwr run`, then in this process, and compare the two byte for byte.

    python -m fedsparse flower simulate [preset=NAME] [name=value …] [timeout=SECONDS]

The settings are those of python -m fedsparse; timeout is what Flower may take [600]. The app runs under Flower as it
would elsewhere; a SuperLink is started for it and stopped with it. Call it in the folder that holds flower_app/.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from fedsparse.errors import FedsparseError, RunError
from fedsparse.experiment import Experiment
from fedsparse.federation import run
from fedsparse.flower.run_config import FlowerSettings, to_run_config
from fedsparse.flower.superlink import SuperLink
from fedsparse.history import History
from fedsparse.run_folder import RunFolder, expanded, read_checkpoint
from fedsparse.runs import open_run
from fedsparse.tools.overrides import TRAINING, CommandLine

APP = Path("flower_app")


def main(argv: Sequence[str]) -> int:
    """Simulate and compare; returns the exit code: 0 done and equal, 1 not.

    Raises:
        FedsparseError: a mistake in the call.
    """
    line = CommandLine(argv, words={"action": ("simulate",)})
    timeout = line.option("timeout", 600.0)
    settings = line.settings(TRAINING)
    preset = settings.pop("preset", None)
    experiment = Experiment.of(settings, preset=preset)
    if not (APP / "pyproject.toml").exists():
        raise RunError(f"no {APP} here: call this from the folder that holds it")
    try:
        print(simulate(experiment, APP, timeout))
    except FedsparseError as error:
        print(f"fedsparse: {error}", file=sys.stderr)
        return 1
    return 0


def simulate(experiment: Experiment, app: Path, timeout: float) -> str:
    """One federation under `flwr run`, then in this process; what came out, in words.

    Raises:
        FedsparseError: Flower's run failed, lost a client, or is not the same as the other.
    """
    place = RunFolder(experiment).path
    with tempfile.TemporaryDirectory() as scratch:
        # Flower starts the app in a folder of its own, where a relative path would mean another place.
        out, data_root = (expanded(place).absolute() for place in (experiment.out, experiment.data_root))
        weights = {"weights": expanded(experiment.weights).absolute()} if experiment.weights else {}
        flower = experiment.replace(out=out / "flower", data_root=data_root, **weights)
        folder = RunFolder(flower).path
        shutil.rmtree(folder, ignore_errors=True)  # or a run that is there already would be compared, and none be made
        here = run(experiment.replace(out=scratch))
        began = time.perf_counter()
        with SuperLink("--simulation", "--isolation", "subprocess") as link:
            nodes = f"num-supernodes={experiment.clients} client-resources-num-cpus=1"
            link.run(
                app, to_run_config(flower, FlowerSettings(timeout, timeout)), ["--federation-config", nodes], timeout
            )
        seconds = time.perf_counter() - began
        history = open_run(folder).history
        used, wanted = (sum(row["cohort"] for row in h) for h in (history, here.history))
        if used != wanted:
            raise RunError(f"{used} of {wanted} updates were used; {folder / 'refused.csv'} says why")
        if (folder / "network.fsp").read_bytes() != (here.folder / "network.fsp").read_bytes():
            raise RunError(f"{folder / 'network.fsp'} is not the network that the run in one process has")
        if not _same_state(flower, here.experiment):
            raise RunError(f"{folder / 'checkpoint'} does not hold the θ of the run in one process")
        if _timeless(history) != _timeless(here.history):
            raise RunError(f"{folder / 'history.csv'} is not the history of the run in one process")
    return (
        f"{history}\n\n{place.name} under flwr run: {used} of {wanted} updates used in {len(history)} rounds, "
        f"{seconds:.0f} s in all\nθ, network.fsp, and history.csv but for its seconds: the same bytes as in one process"
    )


def _same_state(one: Experiment, other: Experiment) -> bool:
    """Whether two runs ended with the same θ, or weights, and whatever else the server knows."""
    states = [read_checkpoint(RunFolder(e).path)["state"] for e in (one, other)]
    return all(torch.equal(*(torch.as_tensor(state[name]) for state in states)) for name in states[1])


def _timeless(history: History) -> str:
    return History([{**row, "seconds": 0.0} for row in history]).to_csv()
