"""Several processes that train or measure together."""
