"""(h) The same federation three ways: in one process, over a grid in one process, and under `flwr run`."""

import statistics
import tempfile
from pathlib import Path

from benchmarks.measure import in_turns, table
from fedsparse import Experiment, Federation, data
from fedsparse.flower.nodes import Nodes
from fedsparse.flower.run_config import Terms, run_config
from fedsparse.flower.superlink import SuperLink
from fedsparse.flower.testing.in_process import InProcessGrid
from fedsparse.history import History
from fedsparse.run_folder import RunFolder

DIGITS = Experiment(width=0.25, rounds=6)


def main(repeats: int = 5, app: str = "flower_app") -> str:
    """The table: medians of the rounds after the first, in which everything is loaded."""
    dataset, terms = data.load(DIGITS.dataset), Terms(600, 600)
    grid = InProcessGrid(run_config(DIGITS, terms))
    here = Federation(DIGITS, dataset)
    there = Federation(DIGITS, dataset, lambda *of: Nodes(grid, terms, None, *of))
    seconds = in_turns({"in one process": here.round, "grid in one process": there.round}, repeats)
    seconds["flwr run"] = _under_flower(DIGITS, terms, app)
    plain = statistics.median(seconds["in one process"])
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    rows = [
        {"engine": name, "seconds a round": f"{m:.2f}", "of the plain": f"{m / plain:.1f}"}
        for name, m in medians.items()
    ]
    return table("(h) A round of 10 clients over Flower, digits", rows)


def _under_flower(experiment: Experiment, terms: Terms, app: str) -> list[float]:
    with tempfile.TemporaryDirectory() as scratch, SuperLink("--simulation", "--isolation", "subprocess") as link:
        there = experiment.replace(out=scratch)
        nodes = f"num-supernodes={experiment.clients} client-resources-num-cpus=1"
        link.run(Path(app), run_config(there, terms), ["--federation-config", nodes])
        history = History.from_csv((RunFolder(there).path / "history.csv").read_text())
    return [row["seconds"] for row in history][1:]


if __name__ == "__main__":
    print(main())
