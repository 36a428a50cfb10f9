"""SCVI of scvi-tools as a Pyro pair, and its own estimates of log p(x) beside ours.

    python -m examples.other_libraries.scvi_pair

Nothing of scvi-tools is changed: the pair calls its module's `inference` and `generative`, and its
likelihood is Pyro's distribution with the same parameters. It needs scvi-tools 1.4.2 or later
(requirements/others.txt).
"""

import logging
import warnings

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from anndata import AnnData
from scvi import settings
from scvi.model import SCVI
from torch import Tensor

from evidence import Annealing, bracket, elbo, exact, iwae
from evidence.structure import Program
from examples.other_libraries.table import Reading, show

CELLS, GENES, TYPES, TEST, EPOCHS = 600, 40, 3, 30, 60


def pair(scvi: SCVI) -> tuple[Program, Program]:
    """Returns p(x, z | library) and q(z|x) of an SCVI with a "zinb" likelihood."""
    module = scvi.module.eval()

    def model(x: Tensor, batch: Tensor, library: Tensor) -> None:
        with pyro.plate("data", len(x)):
            origin = x.new_zeros(len(x), module.n_latent)
            z = pyro.sample("z", dist.Normal(origin, 1.0).to_event(1))
            px = module.generative(z=z, library=library, batch_index=batch)["px"]
            counts = dist.ZeroInflatedNegativeBinomial(
                px.theta, logits=px.mu.log() - px.theta.log(), gate_logits=px.zi_logits
            )
            pyro.sample("x", counts.to_event(1), obs=x)

    def guide(x: Tensor, batch: Tensor, library: Tensor) -> None:
        with pyro.plate("data", len(x)):
            qz = module.inference(x=x, batch_index=batch)["qz"]
            pyro.sample("z", dist.Normal(qz.loc, qz.scale).to_event(1))

    return model, guide


def simulated() -> np.ndarray:
    """Returns counts (cells, genes) of a few types of cells, of different sizes."""
    noise = np.random.default_rng(0)
    types = noise.dirichlet(np.ones(GENES), TYPES)
    sizes = noise.lognormal(np.log(200), 0.3, CELLS)
    rate = sizes[:, None] * types[noise.integers(0, TYPES, CELLS)]
    return noise.poisson(noise.gamma(5, rate / 5)).astype(np.float32)


def trained(counts: np.ndarray) -> SCVI:
    """Returns an SCVI with two latents, trained by scvi-tools."""
    settings.seed, settings.verbosity = 0, logging.ERROR
    cells = AnnData(counts)
    SCVI.setup_anndata(cells)
    scvi = SCVI(cells, n_hidden=32, n_latent=2, gene_likelihood="zinb")
    scvi.train(max_epochs=EPOCHS, accelerator="cpu", enable_progress_bar=False, logger=False)
    return scvi


def main() -> dict[str, Reading]:
    """Trains on simulated cells, and reads log p(x | library) of some of them in several ways."""
    warnings.simplefilter("ignore")
    counts = simulated()
    scvi = trained(counts)
    some = range(TEST)
    found: dict[str, Reading] = {
        "scvi-tools: get_elbo()": torch.as_tensor(scvi.get_elbo(indices=some, return_mean=False)),
        "scvi-tools: get_marginal_ll(1000 samples)": scvi.get_marginal_ll(
            indices=some, n_mc_samples=1000, return_mean=False
        ),
        "scvi-tools: −get_reconstruction_error()": -float(
            scvi.get_reconstruction_error(indices=some)["reconstruction_loss"]
        ),
    }
    x = torch.tensor(counts[:TEST])
    data = (x, torch.zeros(TEST, 1), x.sum(1, keepdim=True).log())
    model, guide = pair(scvi)
    both = bracket(model, guide, data, Annealing(temperatures=50, chains=4, start="guide"))
    found |= {"ELBO": elbo(model, guide, data), "IWAE-1000": iwae(model, guide, data, 1000)}
    found |= {"AIS-50": both.lower, "reverse AIS-50": both.upper}
    truth = exact(model, guide, data)
    assert truth is not None  # two latents
    found["log p(x | library)"] = truth
    show(found)
    return found


if __name__ == "__main__":
    main()
