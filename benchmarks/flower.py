"""(h) The same federation three ways: in one process, over a grid in one process, and under `flwr run`."""

import statistics
import tempfile
from pathlib import Path

from benchmarks.measure import in_turns, table
from fedsparse import Experiment, Federation, data
from fedsparse.flower.nodes import Nodes
from fedsparse.flower.run_config import FlowerSettings, to_run_config
from fedsparse.flower.superlink import SuperLink
from fedsparse.flower.testing.in_process import InProcessGrid
from fedsparse.history import History
from fedsparse.run_folder import RunFolder

DIGITS = Experiment(width=0.25, rounds=6)


def main(repeats: int = 5, app: str = "flower_app") -> str:
    """The table: medians over the rounds after the first one, which also loads everything."""
    dataset, settings = data.load(DIGITS.dataset), FlowerSettings(600, 600)
    grid = InProcessGrid(to_run_config(DIGITS, settings))
    here = Federation(DIGITS, dataset)
    there = Federation(DIGITS, dataset, lambda *of: Nodes(grid, settings, None, *of))
    seconds = in_turns({"in one process": here.round, "grid in one process": there.round}, repeats)
    seconds["flwr run"] = _under_flower(DIGITS, settings, app)
    plain = statistics.median(seconds["in one process"])
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    rows = [
        {"engine": name, "seconds per round": f"{m:.2f}", "times one process": f"{m / plain:.1f}"}
        for name, m in medians.items()
    ]
    return table("(h) A round of 10 clients over Flower, digits", rows)


def _under_flower(experiment: Experiment, settings: FlowerSettings, app: str) -> list[float]:
    with tempfile.TemporaryDirectory() as scratch, SuperLink("--simulation", "--isolation", "subprocess") as link:
        there = experiment.replace(out=scratch)
        nodes = f"num-supernodes={experiment.clients} client-resources-num-cpus=1"
        link.run(Path(app), to_run_config(there, settings), ["--federation-config", nodes])
        history = History.from_csv((RunFolder(there).path / "history.csv").read_text(encoding="utf-8"))
    return [row["seconds"] for row in history][1:]


if __name__ == "__main__":
    print(main())
