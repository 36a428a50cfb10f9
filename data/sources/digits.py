"""The 1,797 handwritten digits that scikit-learn carries: 8×8, 17 grey levels, no download."""

import numpy as np

from data.origins import ROW, Origins
from data.raw import RawData, RawSplit

NUM_VALID = NUM_TEST = 250


def load() -> RawData:
    """Returns 1,297 / 250 / 250 examples, `(N, 8, 8)` in 0..16, always in the same random order.

    The original order follows the writers: its tail would test on hands that training never saw.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    values, labels = digits.images[order].astype(np.uint8), digits.target[order]
    rest, test = RawSplit(values, labels, Origins(ROW, order)).split_off(NUM_TEST)
    return RawData(*rest.split_off(NUM_VALID), test, levels=17)
