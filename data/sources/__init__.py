"""Where data come from: one source a file, each a function that returns `RawData`.

A source raises ValueError("name=value: what would be right") for an option that it cannot use.
"""
