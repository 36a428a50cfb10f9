"""Likelihoods p(x|z): one family a file.

A likelihood is built for the `shape` of one datum, and says

- `spaces`: the names of the spaces it is a distribution on,
- `parameter_shape`: what the decoder must output for one datum,
- `likelihood(h)`: the distribution, batch_shape (N,), event_shape `shape`, for h of shape (N, *parameter_shape),
- `start(mean)`: the decoder's output, *parameter_shape, that puts E[x|z] at the training mean,
- `mean(h)`: E[x|z], (N, *shape), for pictures.
"""

from models.likelihoods.base import Likelihood

__all__ = ["Likelihood"]
