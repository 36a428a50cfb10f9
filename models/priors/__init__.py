"""Priors p(z): one family a file. `prior()` has batch_shape () and event_shape (latent_dim,)."""
