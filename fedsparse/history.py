"""`History`: one row per round, as a table that prints well and as CSV that loses nothing."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

COLUMNS = (
    "round", "accuracy", "accuracy_expected", "accuracy_threshold", "loss", "density", "bpp_entropy", "bpp_layer",
    "bpp_kl", "bpp_uplink", "bpp_downlink", "uplink_bytes", "downlink_bytes", "cohort", "seconds",
    "accuracy_client_mean", "accuracy_client_worst", "lam_used", "accuracy_val", "accuracy_val_expected",
    "accuracy_val_threshold",
)  # fmt: skip
WHOLE = ("round", "uplink_bytes", "downlink_bytes", "cohort")
HELD_OUT = {name: name.replace("accuracy", "accuracy_val") for name in COLUMNS[1:4]}
"""Accuracies on test images, and the same on images held out for validation."""
ACCURACIES = tuple(name for name in COLUMNS if name.startswith("accuracy"))


class History(Sequence[Mapping[str, Any]]):
    """Rows of a run, in order; `frame` is the pandas table.

    NaN stands for what was not measured: accuracies of a round without an evaluation, measures of masks in a round that
    no client answered.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]] = ()) -> None:
        self.rows = [dict.fromkeys(COLUMNS, math.nan) | dict(row) for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index):
        return History(self.rows[index]) if isinstance(index, slice) else self.rows[index]

    @property
    def frame(self) -> "pandas.DataFrame":
        """A pandas table, one row per round, columns as in `COLUMNS`."""
        import pandas

        return pandas.DataFrame(self.rows, columns=list(COLUMNS))

    @property
    def last(self) -> Mapping[str, Any]:
        """The last round."""
        return self.rows[-1]

    def to_csv(self) -> str:
        """Every number in full, so that reading it back gives the same numbers; NaN is an empty field."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in self.rows:
            values = (row[c] for c in COLUMNS)
            writer.writerow(["" if isinstance(v, float) and math.isnan(v) else v for v in values])
        return text.getvalue()

    @classmethod
    def from_csv(cls, text: str) -> "History":
        """The inverse of `to_csv`."""
        number = lambda name, v: int(v) if name in WHOLE else float(v or "nan")  # noqa: E731
        return cls([{k: number(k, v) for k, v in row.items()} for row in csv.DictReader(io.StringIO(text))])

    def _shown(self) -> "pandas.DataFrame":
        table = self.frame.drop(columns=["cohort", "bpp_layer", "accuracy_client_mean", "lam_used"])
        short = {"accuracy": "sampled", "accuracy_expected": "expected", "accuracy_threshold": "threshold"}
        held_out = {HELD_OUT[name]: f"{word}, validation" for name, word in short.items()}
        short |= held_out | {"accuracy_client_worst": "worst client"}
        table = table.drop(columns=[name for name in held_out if table[name].isna().all()])
        for name in table.columns:
            if name in ACCURACIES:
                table[name] = table[name].map(lambda v: "" if math.isnan(v) else f"{v:.1%}")
            elif name in WHOLE:
                table[name] = table[name].map("{:,}".format)
            else:
                digits = 1 if name == "seconds" else 3
                table[name] = table[name].map(lambda v, digits=digits: "" if math.isnan(v) else f"{v:.{digits}f}")
        return table.rename(columns=short)

    def __str__(self) -> str:
        return self._shown().to_string(index=False)

    def _repr_html_(self) -> str:
        return self._shown().to_html(index=False, border=0)
