"""Posterior families q(z|h): one a file.

A family is built for a `latent_dim`, says `num_parameters` (what the encoder must output for one datum) and returns,
for h (N, num_parameters), a distribution with batch_shape (N,) and event_shape (latent_dim,).
"""

from guides.families.base import Family

__all__ = ["Family"]
