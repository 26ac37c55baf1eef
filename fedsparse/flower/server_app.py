"""The server on Flower: `fedsparse.run` as ever, with clients that are nodes. Same folder, same files, same resume.

A server that died loses the round that it was in. Started again with the same settings, it goes on from its checkpoint.
"""

from functools import partial

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fedsparse.experiment import Experiment
from fedsparse.federation import Run, run
from fedsparse.flower.nodes import Nodes
from fedsparse.flower.run_config import Terms, read
from fedsparse.run_folder import RunFolder

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """One run, from its run config to its last line.

    Raises:
        FedsparseError: a setting or data that are refused, or a run that cannot go on; Flower calls the run failed.
    """
    done = serve(grid, *read(context.run_config))
    print(done.history, flush=True)
    print(f"\n{done.folder}: network.fsp holds the network in {done.network_bytes:,} bytes", flush=True)


def serve(grid: Grid, experiment: Experiment, terms: Terms | None = None) -> Run:
    """`fedsparse.run` over a grid; beside the run's files, `refused.csv` says what was lost, if anything was.

    Raises:
        FedsparseError: as `fedsparse.run`; nobody came; or what clients remembered ended with the run that was cut off.
    """
    folder = RunFolder(experiment).path
    terms = terms or Terms()
    nodes = partial(Nodes, grid, terms, folder / "refused.csv")
    return run(experiment, client_backend=nodes, min_updates=terms.least_replies)
