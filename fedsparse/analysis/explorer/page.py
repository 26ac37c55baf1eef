"""The explorer as one HTML page: the numbers of a sweep, and a script that draws them; nothing is loaded."""

import base64
import html
import json
from pathlib import Path
from typing import Any

import numpy as np

from fedsparse.analysis.explorer.sweep import ACCURACIES, RATES, WAYS, Point, Sweep
from fedsparse.analysis.explorer.view import STYLE, caption, collapsed, floor, landmarks, table

PARTS = {name.upper().replace(".", "_"): name for name in ("page.css", "charts.js", "page.js")}
"""Files of this folder that are put into the page."""
SHORT = {"density": "ones"} | RATES | WAYS


def render(sweep: Sweep, first: float) -> str:
    """The page, which shows `first` to begin with. Without scripts, the table of all λ and their captions are there."""
    here = Path(__file__).parent
    page = (here / "page.html").read_text(encoding="utf-8")
    for placeholder, name in PARTS.items():
        page = page.replace(f"__{placeholder}__", (here / name).read_text(encoding="utf-8").strip())
    rows = table(sweep, first)
    for point in sweep.points:  # a row leads to its λ
        rows = rows.replace(f"<th>{point.lam:g}</th>", f'<th><a href="#lam={point.lam:g}">{point.lam:g}</a></th>', 1)
    for placeholder, value in {
        "STYLE": STYLE,
        "TABLE": rows,
        "CAPTIONS": "".join(f"<p>{html.escape(caption(point, sweep))}</p>" for point in sweep.points),
        "DATA": json.dumps(content(sweep), separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/"),
        "FIRST": f"{first:g}",
        "CSV": base64.b64encode(csv(sweep).encode()).decode(),
        "MADE_FROM": html.escape(sweep.made_from),
        "SHOWN": html.escape(sweep.shown),
        "NAME": html.escape(sweep.name),
    }.items():
        page = page.replace(f"__{placeholder}__", value)
    return page


def content(sweep: Sweep) -> dict[str, Any]:
    """What the script draws, without NaN, which JSON does not have."""
    return {"floor": floor(sweep), "points": [_point(point, sweep) for point in sweep.points]}


def csv(sweep: Sweep) -> str:
    """One row per λ and round: means over the seeds, or of parted seeds the first."""
    lines = [["lam", "round", *ACCURACIES, *SHORT]]
    for point in sweep.points:
        rows = point.rounds[[*ACCURACIES, *SHORT]].round(6).astype(object)
        lines += [
            [f"{point.lam:g}", r, *row] for r, row in zip(rows.index, rows.where(rows.notna(), "").values, strict=True)
        ]
    return "".join(",".join(map(str, line)) + "\n" for line in lines)


def _point(point: Point, sweep: Sweep) -> dict[str, Any]:
    accuracies = {
        name: {"mean": mean, "half": half, "seeds": list(point.accuracies[column])}
        for column, name in ACCURACIES.items()
        for mean, half in [np.nan_to_num(np.round(point.level(column), 4)).tolist()]
    }
    rounds = point.rounds.rename(columns=ACCURACIES | SHORT)[[*ACCURACIES.values(), *SHORT.values()]]
    by_round = {name: [None if np.isnan(v) else round(float(v), 4) for v in rounds[name]] for name in rounds}
    return {
        "lam": point.lam,
        "caption": caption(point, sweep),
        "collapsed": collapsed(point, sweep),
        "parted": point.parted,
        "name": landmarks(sweep).get(point.lam, ""),
        "accuracies": accuracies,
        "rates": {n: [round(value, 6) for value in point.of_seeds(column)] for column, n in RATES.items()},
        "rounds": {"round": rounds.index.tolist(), **by_round},
        "thetas": point.thetas,
        "mask": {
            "rows": point.mask.shape[0],
            "columns": point.mask.shape[1],
            "bits": base64.b64encode(np.packbits(point.mask).tobytes()).decode(),
        },
    }
