"""`python -m benchmarks [data_root]`: every benchmark, as Markdown, with the hardware and versions it ran on."""

import sys

from benchmarks import coding, flower, klms, masked_step, memory, rounds, scale, shared_coding, shrink
from benchmarks.measure import hardware

if __name__ == "__main__":
    print(f"# Benchmarks\n\n{hardware()}\n", flush=True)
    print(coding.main(), flush=True)
    print(memory.main(), flush=True)
    print(scale.main(), flush=True)
    print(rounds.main(*sys.argv[1:]), flush=True)
    print(shared_coding.main(), flush=True)
    print(klms.main(), flush=True)
    print(shrink.main(), flush=True)
    print(masked_step.main(), flush=True)
    print(flower.main(), flush=True)
