"""The ELBO with KL(q‖p) in closed form."""

from pyro.infer import TraceMeanField_ELBO


class AnalyticKL(TraceMeanField_ELBO):
    """E_q[log p(x|z)] − KL(q(z|x)‖p(z)), the KL in closed form where Pyro has one (Kingma & Welling 2014, eq. 3)."""

    def __init__(self, num_particles: int = 1) -> None:
        super().__init__(num_particles=num_particles)
