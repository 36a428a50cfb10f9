"""The 1,797 handwritten digits that scikit-learn carries: 8×8, 17 grey levels, no download."""

import numpy as np

from data.raw import RawData, RawSplit, split_off

NUM_VALID = NUM_TEST = 250


def load() -> RawData:
    """1,297 / 250 / 250 examples, `(N, 8, 8)` in 0..16, in an order shuffled once and for all.

    The original order follows the writers, so an unshuffled tail would be a test of other hands.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    values, labels = digits.images[order].astype(np.uint8), digits.target[order]
    rest, test = split_off(RawSplit(values, labels), NUM_TEST)
    return RawData(*split_off(rest, NUM_VALID), test, levels=17)
