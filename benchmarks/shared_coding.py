"""(f) Coding with shared randomness: how long beside the local training that it follows, for how many bits?"""

import statistics
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.measure import clock, table
from fedsparse import Experiment
from fedsparse.client import Client
from fedsparse.client_fast import TrainStep
from fedsparse.entropy import kl_divergence
from fedsparse.models import Architecture, MaskedNetwork
from fedsparse.wire import shared_randomness

CASES = [("conv2", 0.5, (1, 8, 8), 144, 16, "float32"), ("conv4", 1.0, (1, 28, 28), 1000, 128, "bfloat16")]


def main() -> str:
    """The table: one client of noise images, from θ = 0.3, 3 local epochs, then its mask with 8 and 10 bits a block."""
    torch.set_num_threads(1)
    rows = []
    for model, width, shape, count, batch, precision in CASES:
        network = MaskedNetwork(Architecture(model, width, shape, 10), precision)
        n = network.layout.n
        client = Client(0, torch.randint(0, 256, (count, *shape), dtype=torch.uint8), torch.randint(0, 10, (count,)))
        worker, theta = TrainStep(network, Experiment(batch_size=batch), torch.device("cpu")), torch.full((n,), 0.3)
        training = _seconds(worker.train, client, theta, 1, 0.0)
        p, q = theta.numpy(), torch.sigmoid(worker.train(client, theta, 1, 0.0)[0]).numpy()
        for bits in (8, 10):
            key = shared_randomness.Key(0, 1, 0)
            body = shared_randomness.encode(q, p, key, bits)
            encode, decode = (
                _seconds(shared_randomness.encode, q, p, key, bits),
                _seconds(shared_randomness.decode, body, p, key, bits),
            )
            rows.append(
                {"network": f"{model}, {n:,} parameters", "training": f"{count} images, batch {batch}, {precision}",
                 "bits a block": bits, "encode / training": f"{encode / training:.2f}",
                 "decode / training": f"{decode / training:.3f}", "KL, bpp": f"{kl_divergence(q, p):.4f}",
                 "sent, bpp": f"{8 * len(body) / n:.4f}"}
            )  # fmt: skip
    return table("(f) Coding with shared randomness beside local training, one thread each", rows)


def _seconds(job: Callable, *arguments: object, repeats: int = 3) -> float:
    return statistics.median(clock(partial(job, *arguments)) for _ in range(repeats))


if __name__ == "__main__":
    print(main())
