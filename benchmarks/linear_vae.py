"""A trained linear VAE beside the probabilistic PCA that it should have found.

python -m benchmarks.linear_vae RUN

The maximum of the likelihood is known in closed form (Tipping & Bishop 1999). Everything here is
computed in float64 on the training data, from the last checkpoint.
"""

import math

import torch
from torch import Tensor

from configs.parser import Parser
from errors import RequestError
from evidence import elbo
from experiment import Run, load_run
from models.generative import Generative
from models.joints import probabilistic_pca


def main(arguments: list[str] | None = None) -> None:
    """Prints the numbers, in nats per datum, of the RUN that is named."""
    parser = Parser(description=__doc__.split("\n")[0])
    trained = "trained with network.layers=0 likelihood=gaussian likelihood.scale=learned"
    parser.add_argument("run", help=trained)
    given = parser.parse_args(arguments)
    try:
        compare(load_run(given.run, "last", "cpu"))
    except RequestError as error:
        parser.error(str(error))


def compare(run: Run) -> None:
    """Prints the four numbers, and what dividing by N − 1 is worth, in nats per datum."""
    model, guide = run.model.double(), run.guide.double()
    found = model.tractable() if isinstance(model, Generative) else None
    if found is None:
        linear = "network.layers=0 likelihood=gaussian, a standard normal prior"
        raise RequestError(f"{run.path}: not a linear VAE ({linear})")
    x = run.data("train").batch(slice(None)).x.double()
    torch.manual_seed(0)
    _, highest = probabilistic_pca(x.flatten(1), run.request.latent_dim)
    rows = {
        "probabilistic PCA, maximum": highest,
        "the same formula, eigenvalues of cov(ddof=1)": unbiased_formula(
            x.flatten(1), run.request.latent_dim
        ),
        "linear VAE, log p(x)": float(found.log_prob(x).mean()),
        "linear VAE, ELBO": elbo(model, guide, x, 100).mean,
    }
    for name, value in rows.items():
        print(f"{name:<46} {value:>12.6f}  {value - highest:>+10.6f}")
    print(f"(d/2) log(N/(N−1)) = {x[0].numel() / 2 * math.log(len(x) / (len(x) - 1)):.6f}")


def unbiased_formula(x: Tensor, factors: int) -> float:
    """Returns −½(d log 2π + Σ_q log λ + (d − q) log σ² + d).

    The λ are those of the covariance that divides by N − 1, so this is no likelihood.
    """
    dimensions = x.shape[1]
    values = torch.linalg.eigvalsh(torch.cov(x.T))
    discarded, leading = values[: dimensions - factors], values[dimensions - factors :]
    logdet = leading.log().sum() + len(discarded) * discarded.mean().log()
    return -0.5 * float(dimensions * math.log(2 * math.pi) + logdet + dimensions)


if __name__ == "__main__":
    main()
