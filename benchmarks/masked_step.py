"""(a) What does a mask cost? A masked training step over a dense one: same network, batch, precision, threads."""

import torch
from torch.nn import functional as F

from benchmarks.measure import in_turns, ratio, table
from fedsparse import Experiment
from fedsparse.client_fast import TrainStep
from fedsparse.models import Architecture, MaskedNetwork
from fedsparse.threads import keep_freed_memory

CASES = [("conv4", (1, 28, 28)), ("conv6", (3, 32, 32))]


def main(repeats: int = 7) -> str:
    """The table."""
    keep_freed_memory()
    torch.set_num_threads(1)  # as every worker of the engine has
    rows = []
    for model, shape in CASES:
        for precision in ("float32", "bfloat16"):
            network = MaskedNetwork(Architecture(model, 1.0, shape, 10), precision)
            n = network.layout.n
            images = torch.randint(0, 256, (128, *shape), dtype=torch.uint8)
            labels = torch.randint(0, 10, (128,))
            worker = TrainStep(network, Experiment(lam=1.0), torch.device("cpu"))
            worker.regularized = True
            weights = network.weights(torch.ones(n)).requires_grad_()
            optimizer = torch.optim.Adam([weights], lr=1e-3, fused=True)

            def dense(images=images, labels=labels, network=network, weights=weights, optimizer=optimizer) -> None:
                loss = F.cross_entropy(network.forward_with_weights(images, weights), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

            masked = lambda worker=worker, x=images, y=labels: worker._step(x, y)  # noqa: E731
            seconds = in_turns({"masked": masked, "dense": dense}, repeats)
            rows.append(
                {"network": f"{model}, n = {n:,}, batch 128", "precision": precision,
                 "masked / dense": ratio(seconds, "masked", "dense")}
            )  # fmt: skip
    return table("(a) A masked training step over a dense one", rows)


if __name__ == "__main__":
    print(main())
