"""The VAE of pythae as a Pyro pair, and its own estimate of log p(x) beside ours.

    python -m examples.other_libraries.pythae_pair

Nothing of pythae is changed: the pair calls its encoder and its decoder. It needs pythae 0.1.2 or
later (requirements/others.txt).
"""

import pyro
import pyro.distributions as dist
import torch
from pythae.data.datasets import DatasetOutput
from pythae.models import VAE, VAEConfig
from torch import Tensor

from evidence import Annealing, bracket, elbo, exact, iwae
from evidence.structure import Program
from examples.measure_your_own_pair import binary_digits
from examples.other_libraries.table import Reading, show

EPOCHS, BATCH_SIZE = 20, 100


def pair(vae: VAE) -> tuple[Program, Program]:
    """Returns p(x, z) and q(z|x) of a pythae VAE whose `reconstruction_loss` is "bce" or "mse"."""

    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            origin = x.new_zeros(len(x), vae.latent_dim)
            z = pyro.sample("z", dist.Normal(origin, 1.0).to_event(1))
            mean = vae.decoder(z).reconstruction.reshape(x.shape)
            bits = vae.model_config.reconstruction_loss == "bce"
            p = dist.Bernoulli(mean) if bits else dist.Normal(mean, 1.0)
            pyro.sample("x", p.to_event(x.dim() - 1), obs=x)

    def guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            q = vae.encoder(x)
            scale = (0.5 * q.log_covariance).exp()
            pyro.sample("z", dist.Normal(q.embedding, scale).to_event(1))

    return model, guide


def train(vae: VAE, x: Tensor) -> None:
    """Minimizes pythae's own loss."""
    adam = torch.optim.Adam(vae.parameters(), lr=5e-3)
    for _ in range(EPOCHS):
        for batch in x[torch.randperm(len(x))].split(BATCH_SIZE):
            adam.zero_grad()
            vae(DatasetOutput(data=batch)).loss.backward()
            adam.step()


def main() -> dict[str, Reading]:
    """Trains on digits, and reads log p(x) of 20 others in several ways."""
    pyro.set_rng_seed(0)
    training, test = binary_digits()
    x = test[:20]
    vae = VAE(VAEConfig(input_dim=(64,), latent_dim=2, reconstruction_loss="bce"))
    train(vae, training)
    model, guide = pair(vae.eval())
    with torch.no_grad():
        losses = [float(vae(DatasetOutput(data=x)).loss) for _ in range(100)]
    found: dict[str, Reading] = {
        "pythae: −loss, 100 times": -sum(losses) / len(losses),
        "pythae: get_nll(n_samples=1)": float(vae.get_nll(x, 1)),
        "pythae: get_nll(n_samples=1000)": float(vae.get_nll(x, 1000)),
    }
    both = bracket(model, guide, x, Annealing(temperatures=50, chains=4, start="guide"))
    found |= {"ELBO": elbo(model, guide, x)}
    found |= {f"IWAE-{k}": iwae(model, guide, x, k) for k in (1, 100, 1000)}
    found |= {"AIS-50": both.lower, "reverse AIS-50": both.upper}
    truth = exact(model, guide, x)
    assert truth is not None  # two latents
    found["log p(x)"] = truth
    show(found)
    return found


if __name__ == "__main__":
    main()
