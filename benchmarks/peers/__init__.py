"""Contenders.

Each file has functions `(network, batches) -> run`, where `run(steps)` trains for that many steps.
"""
