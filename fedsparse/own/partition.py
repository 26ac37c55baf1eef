"""A partition of one's own: one list of indices per client, or a function from labels and experiment to that."""

import numpy as np

from fedsparse.errors import DataError
from fedsparse.experiment import Experiment
from fedsparse.own.names import in_one_line, resolve


def own_split(labels: np.ndarray, experiment: Experiment) -> list[np.ndarray]:
    """What the user's own list holds, or function makes of (labels, experiment): one index array per client.

    Raises:
        SettingError: it cannot be found, or fails.
        DataError: it gives something else, or an index twice.
    """
    name, found = experiment.partition, resolve("partition", experiment.partition)
    with in_one_line(f"partition={name}"):  # also what is no sequence
        parts = [np.asarray(part) for part in (found(labels.copy(), experiment) if callable(found) else found)]
    whole = all(part.ndim == 1 and part.size and part.dtype.kind in "iu" for part in parts)
    if len(parts) != experiment.clients or not whole:
        what = f"{len(parts)} parts: {', '.join(f'{part.dtype} {part.shape}' for part in parts[:3])}"
        way = "; numpy.flatnonzero makes indices of a mask" * any(part.dtype == bool for part in parts)
        raise DataError(
            f"partition={name} gives {what}; one list of whole indices, not empty, per client is needed{way}"
        )
    every = np.sort(np.concatenate(parts))
    if not np.array_equal(np.unique(every), every) or every[0] < 0 or every[-1] >= len(labels):
        raise DataError(f"partition={name}: indices are 0 to {len(labels) - 1}, each at most once among all clients")
    return [part.astype(np.int64) for part in parts]  # torch would take uint8 as a mask
