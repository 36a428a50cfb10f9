"""Where data come from: one source a file, each a function that returns `RawData`."""
