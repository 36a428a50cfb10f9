"""Published figures, measured again by the commands beside them, each with a verdict."""
