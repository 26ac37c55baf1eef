"""(e) How much memory does a round take? Each engine in a process of its own: the peak beyond what importing takes."""

import subprocess
import sys

from benchmarks.measure import table

PROGRAM = """
import resource, sys
from benchmarks.measure import images
from fedsparse.teaching.fedpm_in_one_file import FedPMInOneFile
from fedsparse import Experiment, Federation
engine, clients = sys.argv[1], int(sys.argv[2])
settings = {"train_size": 128 * clients, "clients": clients, "local_epochs": 1, "evaluate_every": 1000}
if engine != "straightforward":
    settings["engine"] = engine
experiment = Experiment.of(settings, preset="paper-mnist")
dataset = images(experiment)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if engine == "straightforward":
    made = FedPMInOneFile(experiment, dataset)
    made.accuracy = lambda: 0.0
else:
    made = Federation(experiment, dataset)
made.round()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def main() -> str:
    """The table: conv4 at full width, 1,933,258 parameters (7.7 MB as float32), one batch of 128 images a client."""
    rows = [
        {"clients": clients, **{f"{engine}, MB": _peak(engine, clients) for engine in ENGINES}}
        for clients in (2, 10, 40)
    ]
    return table("(e) Peak memory of a round beyond data and libraries, conv4 on MNIST-shaped images", rows)


ENGINES = ("fast", "plain", "straightforward")


def _peak(engine: str, clients: int) -> str:
    call = [sys.executable, "-c", PROGRAM, engine, str(clients)]
    done = subprocess.run(call, capture_output=True, encoding="utf-8", errors="replace", check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    print(main())
