"""Objectives: what SVI minimizes, minus a bound in nats, summed over a batch (`base.Objective`)."""
