"""`python -m fedsparse flower simulate [preset=NAME] [name=value ...]`: a federation through `flwr run`, and checked.

The app runs under Flower as it would elsewhere; a SuperLink is started for it and is gone when it is done. The same
federation is then run in this process: the two have to leave the same network, byte for byte, from the same updates.
"""

import argparse
import shutil
import signal
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
from fedsparse.run_folder import RunFolder
from fedsparse.tools.overrides import combinations

APP = Path("flower_app")


def main(argv: Sequence[str]) -> int:
    """The command line; returns the exit code: 0 done and equal, 1 not, 2 a mistake in the call."""
    parser = argparse.ArgumentParser(prog="python -m fedsparse flower", description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=["simulate"], help="a simulation, compared with the run in one process")
    parser.add_argument("settings", nargs="*", metavar="name=value", help="settings, as of python -m fedsparse")
    parser.add_argument("--timeout", type=float, default=600, help="seconds that Flower may take (default: 600)")
    options = parser.parse_intermixed_args(argv)
    try:
        (settings,) = combinations(options.settings, multirun=False)
        experiment = Experiment.of(settings, preset=settings.pop("preset", None))
        if not (APP / "pyproject.toml").exists():
            raise RunError(f"no {APP} here: call this from the folder that holds it")
    except FedsparseError as error:
        print(f"fedsparse.flower: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped then, too
    try:
        print(simulate(experiment, APP, options.timeout))
    except FedsparseError as error:
        print(f"fedsparse.flower: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nfedsparse.flower: stopped, and Flower's processes with it", file=sys.stderr)
        return 130
    return 0


def simulate(experiment: Experiment, app: Path, timeout: float) -> str:
    """One federation under `flwr run`, then in this process; what came out, in words.

    Raises:
        FedsparseError: Flower's run failed, lost a client, or is not the same as the other.
    """
    place = RunFolder(experiment).path
    with tempfile.TemporaryDirectory() as scratch:
        flower = experiment.replace(out=str((Path(experiment.out) / "flower").absolute()))
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
        history = History.from_csv((folder / "history.csv").read_text())
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
    states = [(RunFolder(e).load() or {})["state"] for e in (one, other)]
    return all(torch.equal(*(torch.as_tensor(state[name]) for state in states)) for name in states[1])


def _timeless(history: History) -> str:
    return History([{**row, "seconds": 0.0} for row in history]).to_csv()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
