"""`python -m benchmarks [data_root]`: the benchmarks that need neither a GPU nor a network, as Markdown.

With them go the hardware and versions that they ran on; attacker, gpu, server_scale and superlink are called by name.
"""

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
