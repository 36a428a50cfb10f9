"""The ELBO as Pyro estimates it."""

from pyro.infer import Trace_ELBO


class ELBO(Trace_ELBO):
    """E_q[log p(x,z) − log q(z|x)], by `num_particles` draws of z (Kingma & Welling 2014, eq. 2)."""

    def __init__(self, num_particles: int = 1) -> None:
        super().__init__(num_particles=num_particles)
