"""The page docs/reproduction.md, and its figures: made from the record alone, so that every number is a row's."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsparse.analysis import plots
from fedsparse.analysis.reproduction import naming, tables
from fedsparse.analysis.reproduction.claims import claims, survives
from fedsparse.analysis.reproduction.pictures import Picture, communication_cost, curves
from fedsparse.analysis.reproduction.plan import (
    ABLATION_LAM,
    CASES,
    DATASETS,
    LATE,
    PARTITIONS,
    SCALE_TITLES,
    SCALES,
    equal,
)
from fedsparse.analysis.reproduction.record import Record
from fedsparse.errors import RunError

if TYPE_CHECKING:
    import pandas

PAGE = Path("docs/reproduction.md")
FIGURES = Path("figures")
SHARED = (
    "train_size", "width", "batch_size", "local_epochs", "optimizer", "lr", "optimizer_state", "estimator", "init",
    "scores", "aggregation", "clip", "precision", "weight_lr", "server_lr", "density",
)  # fmt: skip
"""Settings that are named for a whole scale."""
DIGITS = {"seed": 0, "seeds": 0, "accuracy": 1, "±": 1, "lowest": 1, "MB up": 1, "MB down": 1}
SENTENCES = {
    "lam_warmup": "λ rises from 0 over the first {}, which neither paper does.",
    "lam_delay": "λ is 0 in the first {}, which neither paper does.",
}

INTRODUCTION = """# Reproduction

What two papers claim, beside what was measured here: FedPM (Isik et al., ICLR 2023, arXiv 2209.15328) and its
regularized form (Mestoukirdi et al., IEEE Communications Letters 2024, arXiv 2309.10834), for which no code is public.
The papers' tables could not be read: claims are taken from abstracts and summaries, and no cell of a table is compared.

This page is written by `python -m fedsparse reproduce` from `data/results/paper/`: `runs.csv` has a row a finished run,
with its settings, seed, commit, device and minutes; its rounds are in `rounds-<data set>.csv`, under the same key. The
last column of each table has the ends of those keys. `python -m fedsparse reproduce --list` says what is done, what is
missing, and how long each takes. A run that was not made has no number here and no line in a figure.

*Accuracy* is that of the expected network θ ⊙ w on all test images after the last round, in percent. *Entropy* is that
of the pooled frequency of ones in a sent mask, as in FedPM's code but before its clip; how the other paper counts
could not be read. *Up* and *down* are measured: eight times the bytes of a message, header included, over the number
of parameters, both in the last round; *MB* are those of all clients and rounds. ± is the half-width of a 95 % interval
over seeds (Student's t), *lowest* the accuracy of the worst of them.

A saving is *reached* if the means over the seeds that are there say so, in the last round and over all rounds, and lose
at most one point of accuracy; how the paper counts rounds could not be read either. Three seeds cannot show that two
accuracies are equal: their interval stands beside the mean. Where FedPM itself has hardly learned, at twice the chance
or less, nothing is decided. λ was chosen iid with seed 0, on the test images: the largest of a grid that loses at most
a point, or the smallest where none does; where clients differ, the same λ is used. The grids, and the schedules with
which a λ comes late, were found on these data sets after several seeds had been seen: they fit them better than they
would fit others. At the smaller scale FedPM itself is far from where longer training on all images would
take it, on CIFAR above all."""

OPEN_WORDS = """Where the papers and FedPM's published code differ or are silent, all runs take: the constant e/√fan_in
and the clip 0.01 of that code; θ(0) = ½, as the regularized paper has it (the code draws scores from a normal); the
straight-through gradient, which both papers describe (the code multiplies it by θ); Adam's moments new each round (the
code keeps them); and, for speed, bfloat16. The table changes one of these at a time: MNIST, seed 0, `part=ablation`. A
λ belongs to its setting, so the same λ in two rows is not the same pressure.

The choice was made before the table was there, so as to stay near the papers, and for the λ that it bears
(benchmarks/NOTES.md). Where a line below names another setting, the table would not have chosen as we did: a longer
comparison, with seeds, is still to be made before that setting takes the place of the papers'."""

GIVEN_UP = """Runs of the record that the plan does not have any more; what was learned from them stands in
benchmarks/NOTES.md."""

AGAIN = """## Making it again, and further

```
python -m fedsparse reproduce --list                    # what is done, what is missing, how long each takes
python -m fedsparse reproduce                           # the next missing runs: scale=paper on a GPU, else scale=small
python -m fedsparse reproduce scale=paper dataset=mnist part=pairs jobs=4
```

A run that is in the record is not made again: to repeat one, delete its row in `runs.csv`, and its
folder in `runs/paper/`. One that is cut off, by whatever, goes on from its last finished round, kept there; whoever
computes in short pieces on borrowed machines takes `runs/paper/` and `data/results/paper/` along, and names the same
`data_root=`."""


def write(record: Record) -> Path:
    """Draw the figures, write the page, and return where it is.

    Raises:
        RunError: a folder cannot be written.
    """
    try:
        _write(record)
    except OSError as error:
        raise RunError(f"cannot write {error.filename or PAGE}: {error.strerror or error}") from None
    return PAGE


def _write(record: Record) -> None:
    for scale in SCALES:
        for case in CASES:
            for picture in _pictures(record, scale, case):
                plots.save(
                    picture.draw(), picture.name, alt=picture.alt, caption=picture.caption, folder=FIGURES,
                    notebook="python -m fedsparse reproduce", parameters={"scale": scale, "case": case},
                )  # fmt: skip
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(record))


def page(record: Record) -> str:
    """The page, as Markdown."""
    parts = [INTRODUCTION, "## Claims", _claims(record)]
    for scale, title in SCALE_TITLES.items():
        parts += [f"## At {title}", _settings(scale)]
        parts += [part for case in CASES for part in _case(record, scale, case)]
        parts += _ablation(record, scale)
    if len(given_up := tables.unplanned(record)):
        parts += ["## Given up", GIVEN_UP, markdown(given_up)]
    return "\n\n".join([*parts, AGAIN]) + "\n"


def _claims(record: Record) -> str:
    rows = [
        "| claim | " + " | ".join(f"at {SCALE_TITLES[s]}" for s in SCALE_TITLES) + " |",
        "|---|" + "---|" * len(SCALE_TITLES),
    ]
    for claim in claims():
        cells = []
        for scale in SCALE_TITLES:
            verdict = claim.judge(record, scale)
            cells.append(f"**{verdict.word}**" + (f": {verdict.evidence}" if verdict.evidence else ""))
        rows.append(f"| {claim.source}: {claim.words} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _settings(scale: str) -> str:
    plan = SCALES[scale]
    runs = {naming.TITLES[d]: plan.experiment(d) for d in DATASETS}
    common = plan.experiment("mnist").settings
    said = ", ".join(f"`{name}={common[name]}`" for name in SHARED)
    each = ", ".join(f"{title} {e.model}, {e.rounds} rounds" for title, e in runs.items())
    clients = {p: {naming.TITLES[d]: plan.experiment(d, p).clients for d in DATASETS} for p in PARTITIONS}
    held = "; ".join(f"{p}: {', '.join(f'{title} {count}' for title, count in c.items())}" for p, c in clients.items())
    return (
        f"`python -m fedsparse reproduce scale={scale}`. {each}. {said} (`train_size=0` is all images). "
        f"Clients: {held}. MNIST's network and rounds are ours, since no published code has any that runs. The learning rates of the "
        f"other methods are this package's defaults, picked on digits and not tuned here."
    )


def _case(record: Record, scale: str, case: str) -> Iterator[str]:
    title = naming.TITLES[case]
    yield f"### {title}, {SCALE_TITLES[scale]}"
    grid = tables.lam_grid(record, scale, case)
    if grid.empty:
        yield "Not run."
        return
    found = tables.pair(record, scale, case)
    for name in LATE.get(case, ()):
        rounds = SCALES[scale].by_case[case][name]
        yield SENTENCES[name].format(f"{rounds} rounds (`{name}={rounds}`)")
    if found:
        yield survives(found, case)
        yield f"The runs: {', '.join(f'`{key}`' for key in found.keys)}."
    for picture in _pictures(record, scale, case):
        yield f"![{picture.alt}](../figures/{picture.name}.png)\n\n*{picture.caption}*"
    yield f"The λ grid, seed 0 (`part=lambda dataset={CASES[case]}`):\n\n{markdown(grid)}"
    for partition in PARTITIONS:
        table = tables.methods(record, scale, case, partition)
        if len(table) > 1 or (partition != "iid" and case in DATASETS and len(table)):
            part = "pairs` and `part=rivals" if partition == "iid" else "non-iid"
            left = [m for m in naming.METHODS.values() if case in DATASETS and m not in list(table["method"])]
            without = f", not run: {'; '.join(left)}" if left else ""
            yield f"By method, {partition} (`part={part} dataset={CASES[case]}`){without}:\n\n{markdown(table)}"


def _pictures(record: Record, scale: str, case: str) -> list[Picture]:
    return [found for make in (curves, communication_cost) if (found := make(record, scale, case))]


def _ablation(record: Record, scale: str) -> Iterator[str]:
    by_lam = [tables.ablation(record, scale, lam) for lam in (0.0, ABLATION_LAM)]
    if all(len(table) < 2 for table in by_lam):  # "as chosen" alone compares nothing
        return
    smaller = ", ".join(f"`{name}={value}`" for name, value in SCALES[scale].ablation.items())
    yield "### What the papers leave open"
    yield OPEN_WORDS + (f" Here: {smaller}." if smaller else "")
    for table in by_lam:
        yield markdown(table)
        rows = table.to_dict("records")
        best = max(rows, key=lambda row: row["accuracy"])
        near = [row for row in rows if equal((best["accuracy"] - row["accuracy"]) / 100)]
        cheap, title = min(near, key=lambda row: row["up (bpp)"]), table.columns[0]
        yield (
            f"The most accurate: {best[title]}, {best['accuracy']:.1f} %. Of those within a point of it, the cheapest "
            f"on the way up: {cheap[title]}, {cheap['up (bpp)']:.3f} bpp."
        )


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
