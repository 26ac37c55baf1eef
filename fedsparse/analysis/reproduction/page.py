"""The page docs/reproduction.md, and its figures: made from the record alone, so that every number is a row's."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsparse.analysis import plots
from fedsparse.analysis.reproduction import plan, tables
from fedsparse.analysis.reproduction.claims import Claim, Verdict, claims, survives
from fedsparse.analysis.reproduction.pictures import pictures
from fedsparse.analysis.reproduction.plan import CASES, DATASETS, METHODS, PARTITIONS, SCALE_TITLES, SCALES, TITLES
from fedsparse.analysis.reproduction.record import Record
from fedsparse.analysis.reproduction.template import fill
from fedsparse.errors import RunError
from fedsparse.run_folder import write_whole

if TYPE_CHECKING:
    import pandas

PAGE = Path("docs/reproduction.md")
FIGURES = Path("figures")
SHARED = (
    "train_size", "width", "batch_size", "local_epochs", "optimizer", "lr", "optimizer_state", "estimator", "init",
    "scores", "aggregation", "clip", "precision", "weight_lr", "server_lr", "density",
)  # fmt: skip
"""Settings that are named once for a whole scale."""
Judged = list[tuple[Claim, dict[str, Verdict]]]
"""Claims, and their verdicts by scale."""
DIGITS = {"seed": 0, "seeds": 0, "accuracy": 1, "±": 1, "lowest": 1, "MB up": 1, "MB down": 1}


def write(record: Record) -> Path:
    """Draw the figures, write the page, and return where it is.

    Raises:
        RunError: a folder cannot be written.
    """
    command = "python -m fedsparse reproduce"
    try:
        for scale, case in product(SCALES, CASES):
            made_by: dict[str, Any] = {"notebook": command, "parameters": {"scale": scale, "case": case}}
            for name, draw, alt, caption in pictures(record, scale, case):
                plots.save(draw(), name, alt=alt, caption=caption, folder=FIGURES, **made_by)
        write_whole(PAGE, page(record).encode())
    except OSError as error:
        raise RunError(f"cannot write {error.filename or PAGE}: {error.strerror or error}") from None
    return PAGE


def page(record: Record) -> str:
    """The page, as Markdown."""
    judged = [(claim, {scale: claim.verdict(record, scale) for scale in SCALES}) for claim in claims()]
    given_up = tables.unplanned(record)
    scales = [part for scale in SCALES for part in _scale(record, scale)]
    scales += [fill("given up", table=markdown(given_up))] if len(given_up) else []
    return fill("page", summary=_summary(judged), claims=_every_claim(judged), scales="\n\n".join(scales)) + "\n"


def _summary(judged: Judged) -> str:
    """One row per name of a claim, at the largest scale at which any claim of that name was run."""
    rows = []
    for name in dict.fromkeys(claim.name for claim, _ in judged):
        members = [(claim, verdicts) for claim, verdicts in judged if claim.name == name]
        ran = next((s for s in SCALES if any(verdicts[s].word != "not run" for _, verdicts in members)), "")
        words: dict[str, list[str]] = {}
        for claim, verdicts in members:
            verdict = verdicts[ran or "small"]
            said = [claim.data] * (len(members) > 1) + [verdict.numbers] * bool(verdict.numbers)
            words.setdefault(verdict.word, []).append(": ".join(said))
        outcome = ". ".join(f"**{word}**" + f": {'; '.join(said)}" * any(said) for word, said in words.items())
        data = ", ".join(dict.fromkeys(claim.data.split(",")[0] for claim, _ in members))
        said_of = {"claim": fill(f"claim: {name}"), "data": data, "scale": SCALE_TITLES.get(ran, "none")}
        rows.append(said_of | {"what came out": outcome})
    return markdown(rows)


def _every_claim(judged: Judged) -> str:
    """One row per claim, one column per scale."""
    rows = []
    for claim, verdicts in judged:
        cells = [f"**{v.word}**: {'; '.join(filter(None, (v.numbers, v.details)))}" for v in verdicts.values()]
        titles = [f"at {SCALE_TITLES[scale]}" for scale in verdicts]
        row = {"claim": f"{fill(f'claim: {claim.name}')} ({claim.source})", "data": claim.data}
        rows.append(row | dict(zip(titles, cells, strict=True)))
    return markdown(rows)


def _scale(record: Record, scale: str) -> Iterator[str]:
    size = SCALES[scale]
    networks = [f"{TITLES[d]} {e.model}, {e.rounds} rounds" for d in DATASETS for e in [size.experiment(d)]]
    common = size.experiment("mnist").settings
    owners = {p: ", ".join(f"{TITLES[d]} {size.experiment(d, p).clients}" for d in DATASETS) for p in PARTITIONS}
    clients = "; ".join(f"{partition}: {counts}" for partition, counts in owners.items())
    slots = {"networks": ", ".join(networks), "settings": ", ".join(f"`{name}={common[name]}`" for name in SHARED)}
    yield fill("scale", title=SCALE_TITLES[scale], scale=scale, clients=clients, **slots)
    for case in CASES:
        yield f"### {TITLES[case]}, {SCALE_TITLES[scale]}"
        yield from _case(record, scale, case)
    yield from _ablation(record, scale)


def _case(record: Record, scale: str, case: str) -> Iterator[str]:
    grid = tables.lam_grid(record, scale, case)
    if grid.empty:
        yield "Not run."
        return
    for schedule, rounds in plan.LATE.get(case, {}).items():
        yield fill(schedule, rounds=rounds)
    if found := tables.pair(record, scale, case):
        yield survives(found, case)
        yield f"The runs: {', '.join(f'`{key}`' for key in (*found.plain['key'], *found.sparse['key']))}."
    for picture in pictures(record, scale, case):
        yield f"![{picture.alt}](../figures/{picture.name}.png)\n\n*{picture.caption}*"
    yield f"The λ grid, seed 0 (`part=lambda dataset={CASES[case]}`):\n\n{markdown(grid)}"
    for partition in PARTITIONS:
        table = tables.methods(record, scale, case, partition)
        if len(table) > 1 or (partition != "iid" and case in DATASETS and len(table)):
            part = "pairs` and `part=baselines" if partition == "iid" else "non-iid"
            missing = [m for m in METHODS.values() if case in DATASETS and m not in list(table["method"])]
            but = f", not run: {'; '.join(missing)}" if missing else ""
            yield f"By method, {partition} (`part={part} dataset={CASES[case]}`){but}:\n\n{markdown(table)}"


def _ablation(record: Record, scale: str) -> Iterator[str]:
    by_lam = [tables.ablation(record, scale, lam) for lam in (0.0, plan.ABLATION_LAM)]
    if all(len(table) < 2 for table in by_lam):  # "as chosen" alone compares nothing
        return
    yield fill("ablation", smaller="".join(f", `{name}={value}`" for name, value in SCALES[scale].ablation.items()))
    for table in filter(len, by_lam):
        yield markdown(table)
        rows, title = table.to_dict("records"), table.columns[0]
        best = max(rows, key=lambda row: row["accuracy"])
        near = [row for row in rows if plan.equal_accuracy((best["accuracy"] - row["accuracy"]) / 100)]
        cheapest = min(near, key=lambda row: row["up (bpp)"])
        slots = {"best": best[title], "cheapest": cheapest[title], "up": cheapest["up (bpp)"]}
        yield fill("ablation: best", accuracy=best["accuracy"], **slots)


def markdown(table: "pandas.DataFrame | list[dict[str, Any]]") -> str:
    """A table as Markdown; an empty cell where there is no number."""
    rows = table if isinstance(table, list) else table.to_dict("records")
    lines = [f"| {' | '.join(map(str, rows[0]))} |", "|" + "---|" * len(rows[0])]
    for row in rows:
        lines.append(f"| {' | '.join(_cell(name, value) for name, value in row.items())} |")
    return "\n".join(lines)


def _cell(name: Any, value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value != value else f"{value:.{DIGITS.get(name, 3)}f}"
