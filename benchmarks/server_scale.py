"""(h) What does one more client cost the server, and what would ten thousand and ten million cost?

Seconds are those of one core's work, so that other programs on the machine count little. The last table is arithmetic
over the others: nobody has run a round of that size.
"""

import statistics
import time
import tracemalloc

import numpy as np

from benchmarks.measure import Job, table
from fedsparse.aggregation import MaskAggregator
from fedsparse.models import Architecture, Layout
from fedsparse.wire import masks
from fedsparse.wire.masks import MaskBroadcast, Report, Theta

# Codec, levels of θ above 0 (10 clients; or so many that θ is rounded to 1/255), and a and b of the Beta law of θ.
CASES = {
    "packed, any θ": ("packed", 255, 1.0, 1.0),
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
"""Bytes a second through a network card of 10 Gbit/s."""


def main(repeats: int = 9) -> str:
    """Three tables, of conv4 at full width."""
    layout = Architecture("conv4", 1.0, (1, 28, 28), 10).layout()
    costs = {name: _cost(layout, *case, repeats=repeats) for name, case in CASES.items()}
    rows = [
        {"masks": name, "θ down, bytes": f"{c['theta']:,}", "mask up, bytes": f"{c['mask']:,}",
         "count one, ms": f"{1e3 * c['count']:.0f}", "masks a second and core": f"{1 / c['count']:.1f}",
         "merge two tallies, ms": f"{1e3 * c['merge']:.1f}"}
        for name, c in costs.items()
    ]  # fmt: skip
    kept = _kept()
    memory = [
        {
            "masks counted": f"{k:,}",
            "sums, MB": f"{8 * layout.n / 1e6:.1f}",
            "notes on masks, MB": f"{k * kept / 1e6:.1f}",
        }
        for k in (1, LEAF, *POPULATIONS)
    ]
    largest, *_, thousands = CASES
    carried = [_carried(k, name, costs[name]) for k in POPULATIONS for name in (largest, thousands)]
    return "\n".join([
        table(f"(h) One client's mask at the server: conv4, n = {layout.n:,}", rows),
        table(f"(h) What a tally holds: 8 bytes a parameter, and {kept:.0f} bytes a mask (measured)", memory),
        table("(h) On paper: one round of many clients", carried),
    ])  # fmt: skip


def _cost(layout: Layout, coded: str, top: int, a: float, b: float, repeats: int) -> dict[str, float]:
    """Bytes of θ and of a mask drawn from it; seconds to decode, check, measure and count one, and to merge tallies."""
    rng = np.random.default_rng(0)
    theta = Theta(rng.binomial(top, rng.beta(a, b, layout.n)).astype(np.uint8), top, 0.01)
    message = masks.encode_theta(theta, 1, layout, coded)
    broadcast = masks.decode_theta(message, layout)
    tally = MaskAggregator(broadcast)
    count, merge, sizes = [], [], []
    for client in range(1 + repeats):  # the first also finds what is found once a broadcast
        update = _update((rng.random(layout.n) < theta.probabilities()).astype(np.uint8), client, broadcast, coded)
        count.append(_seconds(lambda update=update: tally.add(update)))
        sizes.append(len(update))
        other = MaskAggregator(broadcast)
        merge.append(_seconds(lambda other=other: other.merge(tally)))
    return {
        "theta": len(message),
        "mask": round(statistics.mean(sizes)),
        "count": statistics.median(count[1:]),
        "merge": statistics.median(merge[1:]),
    }


def _update(mask: np.ndarray, client: int, broadcast: MaskBroadcast, coded: str) -> bytes:
    return masks.encode_mask(mask, Report(client, 100 + client, 0.5 + client, 0.01), broadcast, coded)


def _kept(clients: int = 20_000) -> float:
    """Bytes that stay in a tally for each mask that it counted, its n sums aside."""
    layout = Layout(((1, 1),))
    theta = Theta(np.ones(layout.n, np.uint8), 2, 0.01)
    broadcast = masks.decode_theta(masks.encode_theta(theta, 1, layout), layout)
    mask = np.ones(layout.n, np.uint8)
    tally = MaskAggregator(broadcast)
    tally.add(_update(mask, clients, broadcast, "packed"))
    tracemalloc.start()
    for client in range(clients):
        tally.add(_update(mask, client, broadcast, "packed"))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / clients


def _carried(clients: int, name: str, cost: dict[str, float]) -> dict[str, str]:
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
