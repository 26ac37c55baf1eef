"""(g) Does the mask make a network faster? A network as it was trained, over the same without its dead units."""

import statistics
from pathlib import Path

import torch

from benchmarks.measure import in_turns, ratio, table
from fedsparse import load_network

NETWORKS = Path(__file__).parents[1] / "data" / "networks"


def main(repeats: int = 31) -> str:
    """The table."""
    torch.set_num_threads(1)
    rows = []
    for file in sorted(NETWORKS.glob("*.fsp")):
        network = load_network(file)
        whole, small = network.to_torch().eval(), network.shrink().eval()
        parameters = [sum(p.numel() for p in module.parameters()) for module in (whole, small)]
        for batch in (1, 256):
            images = torch.rand(batch, *network.architecture.shape) * 2 - 1
            with torch.inference_mode():
                jobs = {name: lambda m=m, x=images: m(x) for name, m in (("whole", whole), ("small", small))}
                seconds = in_turns(jobs, repeats)
            milliseconds = [1000 * statistics.median(seconds[name]) for name in ("whole", "small")]
            rows.append(
                {
                    "network": file.name,
                    "ones": f"{network.mask.mean():.1%}",
                    "parameters": f"{parameters[0]:,} → {parameters[1]:,}",
                    "images at once": batch,
                    "milliseconds": f"{milliseconds[0]:.2f} → {milliseconds[1]:.2f}",
                    "whole / without dead units": ratio(seconds, "whole", "small"),
                }
            )
    return table("(g) A network over the same without its dead units", rows)


if __name__ == "__main__":
    print(main())
