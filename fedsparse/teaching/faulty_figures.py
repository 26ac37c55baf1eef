"""The points of a figure with a fault in it, for an exercise of notebook 06: as they were drawn, not how they came."""

import pandas

TEST_IMAGES = 359
"""Of digits."""
RIGHT = {
    0.0: (353, 356, 355),
    0.3: (355, 354, 355),
    1.0: (353, 353, 354),
    2.0: (350, 351, 353),
    3.0: (352, 354, 351),
    5.0: (353, 353, 355),
    7.0: (356, 349, 354),
    10.0: (348, 350, 345),
    13.0: (346, 350, 342),
    14.0: (338, 341, 327),
    16.0: (42, 351, 351),
    18.0: (42, 337, 305),
    20.0: (42, 43, 52),
}
"""Of the stored sweep `lambda-digits`: by λ, for each seed, how many test images the figure counts as right."""


def accuracy_by_lam() -> pandas.DataFrame:
    """The dots of the faulty figure, one row per λ and seed: `lam`, `seed`, `accuracy_threshold`."""
    rows = [(lam, seed, right / TEST_IMAGES) for lam, of_seeds in RIGHT.items() for seed, right in enumerate(of_seeds)]
    return pandas.DataFrame(rows, columns=["lam", "seed", "accuracy_threshold"])
