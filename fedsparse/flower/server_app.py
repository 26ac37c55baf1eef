"""The server on Flower: `fedsparse.run`, with nodes as its clients. Its folder, files and resume are those of any run.

A server that died loses the round that it was in. Started again with the same settings, it resumes from its checkpoint.
"""

from functools import partial

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fedsparse.errors import RunError
from fedsparse.experiment import Experiment
from fedsparse.federation import run
from fedsparse.flower.nodes import Nodes
from fedsparse.flower.run_config import FlowerSettings, from_run_config
from fedsparse.run_folder import RunFolder
from fedsparse.runs import Run

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Make the run that the run config describes, and print its history.

    Raises:
        FedsparseError: settings or data are refused, the run cannot go on, or no client answered in any round; Flower
            then marks the run as failed.
    """
    done = serve(grid, *from_run_config(context.run_config))
    print(done.history, flush=True)
    print(f"\n{done.folder}: network.fsp holds the network in {done.network_bytes:,} bytes", flush=True)
    if done.unanswered:
        raise RunError(done.note)


def serve(grid: Grid, experiment: Experiment, settings: FlowerSettings | None = None) -> Run:
    """`fedsparse.run` over a grid; `refused.csv` in the run's folder lists the updates that were lost, if any were.

    Raises:
        FedsparseError: as `fedsparse.run`; no node came; or the clients' memory ended with an interrupted run.
    """
    settings = settings or FlowerSettings()
    nodes = partial(Nodes, grid, settings, RunFolder(experiment).path / "refused.csv")
    return run(experiment, client_backend=nodes, min_updates=settings.min_updates)
