"""Data sets, and the space their values live in."""

from data.dataset import Dataset, Split, open_dataset
from data.spaces import SPACES, Space

__all__ = ["SPACES", "Dataset", "Space", "Split", "open_dataset"]
