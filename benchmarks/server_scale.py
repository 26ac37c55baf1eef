"""(k) What does one more client cost the server, and what would ten thousand and ten million cost?

Seconds are processor time of one core, so that other programs on the machine matter little. The last table is computed
from the others: nobody has run a round of that size.
"""

import statistics
import time
import tracemalloc

import numpy as np

from benchmarks.measure import Job, table
from fedsparse.aggregation import MaskAggregator
from fedsparse.models import Architecture, Layout
from fedsparse.theta import Theta
from fedsparse.wire import masks
from fedsparse.wire.masks import MaskBroadcast, Report

# Codec, levels of θ above 0 (10 clients; or so many that θ is rounded to 1/255), and a and b of the Beta law of θ.
CASES = {
    "packed, θ of 256 levels": ("packed", 255, 1.0, 1.0),
    "coded, vote of 10, uniform": ("context", 10, 1.0, 1.0),
    "coded, vote of 10, mostly certain": ("context", 10, 0.1, 0.1),
    "coded, vote of thousands, mostly certain": ("context", 255, 0.1, 0.1),
}
POPULATIONS = (10_000, 10_000_000)
LEAF = 1_000
"""Clients whose masks one leaf of the tree counts."""
ENVELOPE = 830
"""Bytes that Flower adds to a reply: what `flwr list --format json` counts, less what we send."""
LINK = 10e9 / 8
"""Bytes per second through a network card of 10 Gbit/s."""


def main(repeats: int = 9) -> str:
    """Three tables, of conv4 at full width."""
    layout = Architecture("conv4", 1.0, (1, 28, 28), 10).layout()
    costs = {name: _cost(layout, *case, repeats=repeats) for name, case in CASES.items()}
    rows = [
        {"masks": name, "θ down, bytes": f"{c['theta']:,}", "mask up, bytes": f"{c['mask']:,}",
         "count one, ms": f"{1e3 * c['count']:.0f}", "masks per second and core": f"{1 / c['count']:.1f}",
         "merge two aggregators, ms": f"{1e3 * c['merge']:.1f}"}
        for name, c in costs.items()
    ]  # fmt: skip
    per_mask = _bytes_per_mask()
    memory = [
        {
            "masks counted": f"{k:,}",
            "sums, MB": f"{8 * layout.n / 1e6:.1f}",
            "measures of masks, MB": f"{k * per_mask / 1e6:.1f}",
        }
        for k in (1, LEAF, *POPULATIONS)
    ]
    packed, *_, coded = CASES
    rounds = [_round_of(k, name, costs[name]) for k in POPULATIONS for name in (packed, coded)]
    return "\n".join([
        table(f"(k) One client's mask at the server: conv4, n = {layout.n:,}", rows),
        table(f"(k) An aggregator's memory: 8 bytes per parameter, {per_mask:.0f} bytes per mask (measured)", memory),
        table("(k) On paper: one round of many clients", rounds),
    ])  # fmt: skip


def _cost(layout: Layout, codec: str, max_level: int, a: float, b: float, repeats: int) -> dict[str, float]:
    """Bytes of θ and of a mask drawn from it; seconds to count one (decode, check, measure, add), to merge."""
    rng = np.random.default_rng(0)
    theta = Theta(rng.binomial(max_level, rng.beta(a, b, layout.n)).astype(np.uint8), max_level, 0.01)
    message = masks.encode_theta(theta, 1, layout, codec)
    broadcast = masks.decode_theta(message, layout)
    aggregator = MaskAggregator(broadcast)
    count, merge, sizes = [], [], []
    for client in range(1 + repeats):  # the first also computes what is cached per broadcast
        update = _update((rng.random(layout.n) < theta.probabilities()).astype(np.uint8), client, broadcast, codec)
        count.append(_seconds(lambda client=client, update=update: aggregator.add(client, update)))
        sizes.append(len(update))
        other = MaskAggregator(broadcast)
        merge.append(_seconds(lambda other=other: other.merge(aggregator)))
    return {
        "theta": len(message),
        "mask": round(statistics.mean(sizes)),
        "count": statistics.median(count[1:]),
        "merge": statistics.median(merge[1:]),
    }


def _update(mask: np.ndarray, client: int, broadcast: MaskBroadcast, codec: str) -> bytes:
    return masks.encode_mask(mask, Report(client, 100 + client, 0.5 + client, 0.01), broadcast, codec)


def _bytes_per_mask(clients: int = 20_000) -> float:
    """Bytes that stay in an aggregator for each mask that it counted, its n sums aside."""
    layout = Layout(((1, 1),))
    theta = Theta(np.ones(layout.n, np.uint8), 2, 0.01)
    broadcast = masks.decode_theta(masks.encode_theta(theta, 1, layout), layout)
    mask = np.ones(layout.n, np.uint8)
    aggregator = MaskAggregator(broadcast)
    aggregator.add(clients, _update(mask, clients, broadcast, "packed"))
    tracemalloc.start()
    for client in range(clients):
        aggregator.add(client, _update(mask, client, broadcast, "packed"))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / clients


def _round_of(clients: int, name: str, cost: dict[str, float]) -> dict[str, str]:
    leaves = -(-clients // LEAF)
    up, down = clients * (cost["mask"] + ENVELOPE), clients * cost["theta"]
    return {
        "clients": f"{clients:,}",
        "masks": name,
        "up, GB": f"{up / 1e9:,.1f}",
        "down, GB": f"{down / 1e9:,.0f}",
        "minutes of one 10 Gbit/s link, up / down": f"{up / LINK / 60:.2f} / {down / LINK / 60:.2f}",
        "core-hours to count": f"{clients * cost['count'] / 3600:.2f}",
        "leaves": f"{leaves:,}",
        "seconds of a leaf's core": f"{min(clients, LEAF) * cost['count']:.0f}",
        "to merge the leaves, s of one core": f"{leaves * cost['merge']:.2f}",
    }


def _seconds(job: Job) -> float:
    began = time.process_time()
    job()
    return time.process_time() - began


if __name__ == "__main__":
    print(main())
