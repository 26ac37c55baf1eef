"""Repeat a comparison whose results are kept in data/results/: its table there, its figure in figures/.

    python -m fedsparse study NAME [data_root=FOLDER] [out=FOLDER]

data_root is the folder of data sets, out that of run folders. What is finished in out is not done again, except, for a
study that the explorer shows, the first seed of each λ: no run keeps the θ of every round.
"""

import sys
from collections.abc import Sequence

from fedsparse.analysis.studies import STUDIES, carry_out
from fedsparse.analysis.sweeps import Failed, summary
from fedsparse.tools.overrides import CommandLine


def main(argv: Sequence[str]) -> int:
    """Do a study; returns the exit code: 0 done, 1 some runs failed.

    Raises:
        FedsparseError: a mistake in the call, or a table that cannot be written.
    """
    line = CommandLine(argv, words={"study": STUDIES})
    outcomes = carry_out(line.words[0], line.settings({"data_root": True, "out": True}))
    print(summary(outcomes).to_string(index=False, na_rep=""))
    failed = [o for o in outcomes if isinstance(o, Failed)]
    sys.stderr.writelines(f"failed: {o.experiment.key}: {o.why}\n" for o in failed)
    return int(bool(failed))


def details() -> str:
    """For the help: the studies."""
    width = max(map(len, STUDIES))
    return "\n".join(["Studies:", *(f"  {name:<{width}}  {study.question}" for name, study in STUDIES.items())])
