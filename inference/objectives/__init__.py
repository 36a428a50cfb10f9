"""Objectives: what SVI minimises. Each has Pyro's `differentiable_loss(model, guide, x)`, minus a bound summed over
the batch, in nats."""
