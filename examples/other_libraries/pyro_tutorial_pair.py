"""The VAE of Pyro's tutorial, and Pyro's own estimators beside log p(x).

    python -m examples.other_libraries.pyro_tutorial_pair

The class is that of examples/measure_your_own_pair.py, which has the programs of
https://github.com/pyro-ppl/pyro/blob/dev/examples/vae/vae.py. It is a pair as it is.
"""

import pyro
import torch
from pyro.infer import ELBO, Importance, RenyiELBO, Trace_ELBO
from torch import Tensor

from evidence import elbo, exact, iwae
from evidence.structure import Program
from examples.measure_your_own_pair import VAE, binary_digits, train
from examples.other_libraries.table import Reading, show

PARTICLES = 100


def pair(vae: VAE) -> tuple[Program, Program]:
    """Returns p(x, z) and q(z|x)."""
    return vae.model, vae.guide


def main() -> dict[str, Reading]:
    """Trains on digits, and reads log p(x) of 100 others in several ways."""
    pyro.set_rng_seed(0)
    pyro.clear_param_store()
    vae, (training, x) = VAE(), binary_digits()
    train(vae, training)
    model, guide = pair(vae)

    def of_loss(loss: ELBO) -> float:
        return -loss.loss(model, guide, x) / len(x)

    def by_importance(x: Tensor) -> float:
        found = Importance(model, guide, num_samples=PARTICLES).run(x)
        return float(found.get_log_normalizer()) / len(x)

    renyi = RenyiELBO(alpha=0, num_particles=PARTICLES, vectorize_particles=True)
    found: dict[str, Reading] = {
        "Pyro: Trace_ELBO": of_loss(Trace_ELBO(num_particles=PARTICLES)),
        f"Pyro: RenyiELBO(alpha=0), {PARTICLES} particles": of_loss(renyi),
        f"Pyro: Importance({PARTICLES}).get_log_normalizer()": by_importance(x),
        "Pyro: the same, one datum at a time": torch.tensor([by_importance(d) for d in x.split(1)]),
        "ELBO": elbo(model, guide, x, PARTICLES),
        f"IWAE-{PARTICLES}": iwae(model, guide, x, PARTICLES),
    }
    truth = exact(model, guide, x)
    assert truth is not None  # two latents
    found["log p(x)"] = truth
    show(found)
    return found


if __name__ == "__main__":
    main()
