"""Several runs side by side: read, grouped by what they measure, averaged over seeds, and tested.

This package needs numpy and scipy only: no model is rebuilt, and nothing in a run directory is
executed.
"""
