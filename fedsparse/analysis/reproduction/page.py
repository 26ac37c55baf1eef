"""The page docs/reproduction.md, and its figures: made from the record alone, so that every number is a row's."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsparse.analysis import plots
from fedsparse.analysis.reproduction import tables
from fedsparse.analysis.reproduction.claims import Claim, Verdict, claims
from fedsparse.analysis.reproduction.pictures import pictures
from fedsparse.analysis.reproduction.plan import PARTITIONS, SCALE_TITLES, SCALES, TITLES, choices, places
from fedsparse.analysis.reproduction.record import Record
from fedsparse.analysis.reproduction.rivals import RIVALS
from fedsparse.analysis.reproduction.template import fill
from fedsparse.errors import RunError
from fedsparse.run_folder import write_whole

if TYPE_CHECKING:
    import pandas

PAGE = Path("docs/reproduction.md")
FIGURES = Path("figures")
SHARED = (
    "train_size", "validation", "width", "batch_size", "local_epochs", "optimizer", "lr", "optimizer_state",
    "estimator", "init", "scores", "aggregation", "clip", "precision",
)  # fmt: skip
"""Settings of FedPM that are named once for a whole scale."""
Judged = list[tuple[Claim, dict[str, Verdict]]]
"""Claims, and their verdicts by scale."""


def write(record: Record) -> Path:
    """Draw the figures, write the page, and return where it is.

    Raises:
        RunError: a folder cannot be written.
    """
    command = "python -m fedsparse reproduce"
    try:
        for scale, dataset in places():
            made_by: dict[str, Any] = {"notebook": command, "parameters": {"scale": scale, "dataset": dataset}}
            for name, draw, alt, caption in pictures(record, scale, dataset):
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
        cells = [f"**{v.word}**: {v.numbers}" for v in verdicts.values()]
        titles = [f"at {SCALE_TITLES[scale]}" for scale in verdicts]
        row = {"claim": f"{fill(f'claim: {claim.name}')} ({claim.source})", "data": claim.data}
        rows.append(row | dict(zip(titles, cells, strict=True)))
    return markdown(rows)


def _scale(record: Record, scale: str) -> Iterator[str]:
    size = SCALES[scale]
    networks = [f"{TITLES[d]} {e.model}, {e.rounds} rounds" for d in size.by_dataset for e in [size.experiment(d)]]
    common = size.experiment("mnist").settings
    slots = {"networks": ", ".join(networks), "settings": ", ".join(f"`{name}={common[name]}`" for name in SHARED)}
    of_record = choices(scale, record)
    lams = {name: f"{lam:g}" for name, lam in of_record.lams.items()}
    grid = " and ".join(TITLES[d] for d in size.grid)
    chosen = [fill(f"chosen: {name}", lam=lam, grid=grid) for name, lam in lams.items()] or [
        fill("chosen: none", grid=grid)
    ]
    settings = {name: RIVALS[name].settings | {RIVALS[name].rate: rate} for name, rate in of_record.rates.items()}
    rates = "; ".join(f"{name} ({', '.join(f'`{k}={v}`' for k, v in s.items())})" for name, s in settings.items())
    chosen += [fill("tuned", rates=rates) if rates else fill("tuned: none")]
    yield fill("scale", title=SCALE_TITLES[scale], scale=scale, chosen=" ".join(chosen), **slots)
    for dataset in size.by_dataset:
        yield f"### {TITLES[dataset]}, {SCALE_TITLES[scale]}"
        yield "\n\n".join(_dataset(record, scale, dataset)) or "Not run."
    if len(tried := tables.tuning(record, scale)):
        yield f"{fill('tuning', smaller=_smaller(scale))}\n\n{markdown(tried)}"
    yield from _ablation(record, scale)


def _dataset(record: Record, scale: str, dataset: str) -> Iterator[str]:
    for picture in pictures(record, scale, dataset):
        yield f"![{picture.alt}](../figures/{picture.name}.png)\n\n*{picture.caption}*"
    if len(grid := tables.lam_grid(record, scale, dataset)):
        yield f"The λ grid (`part=lambda dataset={dataset}`):\n\n{markdown(grid)}"
    for partition in PARTITIONS:
        table = tables.methods(record, scale, dataset, partition)
        if len(table) > 1:
            part = "pairs` and `part=baselines" if partition == "iid" else "non-iid"
            yield f"By method, {partition} (`part={part} dataset={dataset}`):\n\n{markdown(table)}"
        if len(saved := tables.savings(record, scale, dataset, partition)):
            yield f"Saved and lost against FedPM with the same seeds, {partition}:\n\n{markdown(saved)}"
    if len(table := tables.convergence(record, scale, dataset)):
        yield f"{fill('convergence')}\n\n{markdown(table)}"


def _ablation(record: Record, scale: str) -> Iterator[str]:
    by_lam = [table for adaptive in (False, True) if len(table := tables.ablation(record, scale, adaptive)) > 1]
    if by_lam:
        yield fill("ablation", smaller=_smaller(scale))
    for table in by_lam:
        yield markdown(table)


def _smaller(scale: str) -> str:
    return "".join(f", `{name}={value}`" for name, value in SCALES[scale].ablation.items())


def markdown(table: "pandas.DataFrame | list[dict[str, Any]]") -> str:
    """A table as Markdown; an empty cell where there is no number."""
    rows = table if isinstance(table, list) else table.to_dict("records")
    lines = [f"| {' | '.join(map(str, rows[0]))} |", "|" + "---|" * len(rows[0])]
    for row in rows:
        lines.append(f"| {' | '.join(map(_cell, row.values()))} |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value != value else f"{value:g}"
