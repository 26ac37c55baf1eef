"""(d) How fast is the codec, and how small are its masks, against the entropy and against general compressors?"""

import lzma
import statistics
import zlib

import numpy as np
import zstandard

from benchmarks.measure import clock, table
from fedsparse.entropy import context_entropy
from fedsparse.models import Architecture
from fedsparse.wire import masks


def main(repeats: int = 7) -> str:
    """The table. Masks are drawn from θ = the vote of 10 clients, uniform in its levels or mostly certain."""
    rows = []
    for model, shape, kind in [
        ("conv4", (1, 28, 28), "uniform"),
        ("conv4", (1, 28, 28), "certain"),
        ("conv10", (3, 32, 32), "uniform"),
    ]:
        layout = Architecture(model, 1.0, shape, 10).layout()
        rng = np.random.default_rng(0)
        chance = rng.random(layout.n) if kind == "uniform" else rng.beta(0.1, 0.1, layout.n)
        levels = rng.binomial(10, chance).astype(np.uint8)
        theta = masks.Theta(levels, 10, 0.01)
        mask = (rng.random(layout.n) < theta.probabilities()).astype(np.uint8)
        report = masks.Report(0, 1, 0.0, 0.0)
        broadcast = masks.encode_theta(theta, 1, layout)
        # Past its cache, which would hand out contexts that have been found already.
        fresh = lambda broadcast=broadcast, layout=layout: masks.decode_theta.__wrapped__(broadcast, layout)  # noqa: E731
        message = masks.encode_mask(mask, report, fresh())
        encode, decode = [], []
        for _ in range(repeats):  # a fresh broadcast each time: its contexts are found anew
            one, two = fresh(), fresh()
            encode.append(clock(lambda m=mask, r=report, b=one: masks.encode_mask(m, r, b)))
            decode.append(clock(lambda m=message, b=two: masks.decode_mask(m, b)))
        entropy = context_entropy(mask, levels.astype(np.intp))
        packed = np.packbits(mask).tobytes()
        bpp = lambda size, n=layout.n: f"{8 * size / n:.4f}"  # noqa: E731
        rows.append(
            {"mask": f"{model}, {layout.n / 1e6:.1f} million, θ {kind}",
             "encode, million/s": f"{layout.n / statistics.median(encode) / 1e6:.0f}",
             "decode and check, million/s": f"{layout.n / statistics.median(decode) / 1e6:.0f}",
             "entropy given θ, bpp": f"{entropy:.4f}", "message, bpp": bpp(len(message)),
             "over entropy": f"{8 * len(message) / layout.n / entropy - 1:.2%}",
             "zstd -19, bpp": bpp(len(zstandard.ZstdCompressor(19).compress(packed))),
             "lzma, bpp": bpp(len(lzma.compress(packed))) if layout.n < 5e6 else "",
             "zlib, bpp": bpp(len(zlib.compress(packed, 9)))}
        )  # fmt: skip
    return table("(d) The codec, one core", rows)


if __name__ == "__main__":
    print(main())
