"""The page docs/reproduction.md, and its figures: made from the record alone, so that every number is a row's."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsparse import plots
from fedsparse.experiment import Experiment
from fedsparse.paper import naming, tables
from fedsparse.paper.claims import claims, survives
from fedsparse.paper.plan import DATASETS, PARTITIONS, SCALES
from fedsparse.paper.record import Record

if TYPE_CHECKING:
    import pandas

PAGE = Path("docs/reproduction.md")
FIGURES = Path("figures")
LARGE = {"paper": "the papers' scale", "small": "a smaller scale"}
DIGITS = {"seeds": 0, "accuracy": 1, "±": 1, "MB up": 1, "MB down": 1}

INTRODUCTION = """# Reproduction

What two papers claim, beside what was measured here: FedPM (Isik et al., ICLR 2023, arXiv 2209.15328) and its regularized
form (Mestoukirdi et al., IEEE Communications Letters 2024, arXiv 2309.10834), for which no code is public. The papers'
tables could not be read, so claims are taken from abstracts and summaries, and no cell of a table is compared.

This page is written by `python -m fedsparse.paper` from `data/results/paper/`: `runs.csv` has a row a run, with its
settings, seed, commit, device and minutes, and its rounds are in `rounds-<data set>.csv` under the same key. `python -m
fedsparse.paper --list` says what is done and what is missing; a run that was not made has no number here and no line in a
figure.

*Accuracy* is that of the expected network θ ⊙ w on all test images, in the last round. *Entropy* is the papers' measure:
that of the pooled frequency of ones in a sent mask, before any clipping. *Up* and *down* are measured: eight times the bytes
of a message, header included, over the number of parameters. ± is the half-width of a 95 % interval over seeds (Student's
t). λ was chosen with seed 0, on the test images: the largest of the grid that loses at most a point of accuracy."""


def write(record: Record) -> Path:
    """Draw the figures, write the page, and return where it is."""
    for scale in SCALES:
        for dataset in DATASETS:
            _draw(record, scale, dataset)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(record))
    return PAGE


def page(record: Record) -> str:
    """The page, as Markdown."""
    parts = [INTRODUCTION, "## Claims", _claims(record)]
    for scale, title in LARGE.items():
        parts += [f"## At {title}", _settings(scale)]
        parts += [part for dataset in DATASETS for part in _dataset(record, scale, dataset)]
        if len(tables.ablation(record, scale)) > 2:
            parts += ["### What the papers leave open", OPEN_WORDS, markdown(tables.ablation(record, scale))]
    return "\n\n".join(parts) + "\n"


OPEN_WORDS = """One thing at a time changed from what the other runs use (`init=fedpm`, moments new each round, the
straight-through gradient, θ(0) = ½, clip 0.01), seed 0. A λ belongs to its setting: the same λ in two rows is not the same
pressure."""


def _claims(record: Record) -> str:
    rows = ["| claim | " + " | ".join(f"at {LARGE[s]}" for s in LARGE) + " |", "|---|" + "---|" * len(LARGE)]
    for claim in claims():
        cells = []
        for scale in LARGE:
            verdict = claim.judge(record, scale)
            cells.append(f"**{verdict.word}**" + (f": {verdict.evidence}" if verdict.evidence else ""))
        rows.append(f"| {claim.paper}: {claim.words} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _settings(scale: str) -> str:
    plan = SCALES[scale]
    common = plan.experiment(DATASETS[0]).settings
    wanted = ("train_size", "width", "batch_size", "local_epochs", "optimizer", "lr", "init", "clip", "precision")
    said = ", ".join(f"`{name}={common[name]}`" for name in wanted)
    rounds = ", ".join(f"{naming.TITLES[d]} {plan.experiment(d).rounds}" for d in DATASETS)
    models = ", ".join(f"{naming.TITLES[d]} {plan.experiment(d).model}" for d in DATASETS)
    return (
        f"`python -m fedsparse.paper scale={scale}`; networks: {models}; rounds: {rounds}; {said} (`train_size=0` is all "
        f"images). iid: 10 clients; c = 4 and c = 2: 30 clients."
    )


def _dataset(record: Record, scale: str, dataset: str) -> Iterator[str]:
    title = naming.TITLES[dataset]
    yield f"### {title}, {LARGE[scale]}"
    grid = tables.lam_grid(record, scale, dataset)
    if grid.empty:
        yield "Not run."
        return
    found = tables.pair(record, scale, dataset)
    if found:
        yield survives(found, dataset)
        yield f"The runs: {', '.join(f'`{key}`' for key in found['keys'])}."
        yield _picture(SCALES[scale].experiment(dataset), scale, found)
    yield f"The λ grid, seed 0 (`part=lambda dataset={dataset}`):\n\n{markdown(grid)}"
    for partition in PARTITIONS:
        table = tables.methods(record, scale, dataset, partition)
        if len(table) > (2 if partition == "iid" else 0):
            part = "rivals" if partition == "iid" else "non-iid"
            yield f"All methods, {partition} (`part={part} dataset={dataset}`):\n\n{markdown(table)}"


def markdown(table: "pandas.DataFrame") -> str:
    """A table as Markdown; an empty cell where there is no number."""
    lines = [f"| {' | '.join(map(str, table.columns))} |", "|" + "---|" * len(table.columns)]
    for row in table.to_dict("records"):
        lines.append(f"| {' | '.join(_cell(name, value) for name, value in row.items())} |")
    return "\n".join(lines)


def _cell(name: Any, value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value != value else f"{value:.{DIGITS.get(name, 3)}f}"


def _draw(record: Record, scale: str, dataset: str) -> None:
    found = tables.pair(record, scale, dataset)
    if not found:
        return
    runs = tables.both(scale, dataset, found)
    title = f"{naming.TITLES[dataset]}, {LARGE[scale]}: FedPM and λ = {found['lam']:g}"
    figure = plots.by_round(record.rounds(runs), ("accuracy_expected", "bpp_entropy", "bpp_uplink"), title=title)
    plots.save(figure, _name(scale, dataset), alt=_alt(found), caption=_caption(runs[0], scale, found), folder=FIGURES,
               notebook="python -m fedsparse.paper", parameters={"scale": scale, "dataset": dataset})  # fmt: skip


def _name(scale: str, dataset: str) -> str:
    return f"paper-{scale}-{dataset}"


def _picture(run: Experiment, scale: str, found: dict[str, Any]) -> str:
    return f"![{_alt(found)}](../figures/{_name(scale, run.dataset)}.png)\n\n*{_caption(run, scale, found)}*"


def _alt(found: dict[str, Any]) -> str:
    plain, sparse = found["plain"], found["sparse"]
    ends = "; ".join(
        f"{words} {plain[column]:.2f} and {sparse[column]:.2f}"
        for words, column in (
            ("accuracy", "accuracy_expected"),
            ("entropy in bpp", "bpp_entropy"),
            ("measured uplink in bpp", "bpp_uplink"),
        )
    )
    return (
        f"Three line charts by round, for λ = 0 and λ = {found['lam']:g}. In the last round, means over seeds: {ends}."
    )


def _caption(run: Experiment, scale: str, found: dict[str, Any]) -> str:
    images = f"{run.train_size:,} training images" if run.train_size else "all training images"
    return (
        f"{naming.TITLES[run.dataset]}, {images}, {run.model} at width {run.width:g}, {run.clients} clients, iid, "
        f"{run.rounds} rounds, seeds {found['seeds']}. Mean over seeds, band: their range. python -m fedsparse.paper "
        f"scale={scale}"
    )
