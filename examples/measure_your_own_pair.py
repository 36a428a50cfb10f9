"""How far is the ELBO of your own VAE from log p(x)?

    python -m examples.measure_your_own_pair

The VAE is the one of Pyro's tutorial, with two latents and scikit-learn's digits. Of this project
it uses the package `evidence` and nothing else: replace the class by your own pair.
"""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import Adam
from sklearn.datasets import load_digits
from torch import Tensor, nn

from evidence import Annealing, Estimate, bracket, elbo, exact, iwae

PIXELS, LATENTS, HIDDEN = 64, 2, 64
EPOCHS, BATCH_SIZE, TEST_DATA = 20, 100, 100
PLAN = Annealing(temperatures=50, chains=12, leapfrogs=5, start="guide")


class VAE(nn.Module):
    """A model p(z) p(x|z) and a guide q(z|x), as users of Pyro write them."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.Sequential(
            nn.Linear(LATENTS, HIDDEN), nn.Softplus(), nn.Linear(HIDDEN, PIXELS)
        )
        self.encoder = nn.Sequential(
            nn.Linear(PIXELS, HIDDEN), nn.Softplus(), nn.Linear(HIDDEN, 2 * LATENTS)
        )

    def model(self, x: Tensor) -> None:
        """Draws z ~ N(0, I), and observes x ~ Bernoulli(decoder(z))."""
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", x.shape[0]):
            loc, scale = x.new_zeros(x.shape[0], LATENTS), x.new_ones(x.shape[0], LATENTS)
            z = pyro.sample("latent", dist.Normal(loc, scale).to_event(1))
            pyro.sample("obs", dist.Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """Draws z ~ N(μ(x), σ(x)²), both from the encoder."""
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", x.shape[0]):
            loc, log_scale = self.encoder(x).chunk(2, dim=-1)
            pyro.sample("latent", dist.Normal(loc, log_scale.exp()).to_event(1))


def binary_digits() -> tuple[Tensor, Tensor]:
    """Returns the digits as zeros and ones: all but the last 100, and these."""
    images = torch.tensor(load_digits().data > 7, dtype=torch.get_default_dtype())
    return images[:-TEST_DATA], images[-TEST_DATA:]


def train(vae: VAE, x: Tensor) -> None:
    """Trains the pair with Pyro's own SVI."""
    svi = SVI(vae.model, vae.guide, Adam({"lr": 5e-3}), Trace_ELBO())
    for _ in range(EPOCHS):
        for batch in x[torch.randperm(len(x))].split(BATCH_SIZE):
            svi.step(batch)


def measure(vae: VAE, x: Tensor) -> dict[str, Estimate]:
    """Returns what is known about log p(x): bounds from below, then from above, then itself."""
    both = bracket(vae.model, vae.guide, x, PLAN)
    found = {
        "ELBO": elbo(vae.model, vae.guide, x, num_particles=100),
        "IWAE-10": iwae(vae.model, vae.guide, x, num_particles=10),
        "IWAE-1000": iwae(vae.model, vae.guide, x, num_particles=1000),
        "AIS-50": both.lower,
        "reverse AIS-50": both.upper,
    }
    truth = exact(vae.model, vae.guide, x)  # None for a pair with more than two latents
    return found if truth is None else found | {"log p(x)": truth}


def main() -> dict[str, Estimate]:
    """Trains, measures, and prints one line for each number."""
    pyro.set_rng_seed(0)
    pyro.clear_param_store()
    vae, (training, test) = VAE(), binary_digits()
    train(vae, training)
    found = measure(vae, test)
    tightest = list(found.values())[-1]
    print(f"{'nats per datum':<14} {'mean':>9} {'s.e.':>7}  {'side':<6} {'below the last':>15}")
    for name, estimate in found.items():
        # Paired: the same data on both sides, so that their spread cancels.
        below = Estimate(tightest.per_datum - estimate.per_datum, "exact")
        print(
            f"{name:<14} {estimate.mean:>9.3f} {estimate.standard_error:>7.3f}  {estimate.kind:<6}"
            f" {below.mean:>7.3f} ± {below.standard_error:.3f}"
        )
    return found


if __name__ == "__main__":
    main()
