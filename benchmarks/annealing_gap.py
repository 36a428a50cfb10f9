"""How the gap between forward and reverse annealing falls with the number of temperatures T.

python -m benchmarks.annealing_gap

On factor analysis every intermediate distribution is a normal, so transitions can be perfect:
independent draws. From the prior, on a linear schedule, with one chain, they leave an expected gap
of (1/T)·(E_{p(z|x)} − E_{p(z)})[log p(x|z)], which is tr(WᵀΨ⁻¹W)/T on average over x ~ p(x).
Hamiltonian transitions, which only move towards the next distribution, leave more.
"""

import itertools

import numpy as np
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from benchmarks.command import at_least
from configs.parser import Parser
from evidence import Annealing, bidirectional
from evidence.estimate import standard_error
from models.joints import ExactPosterior, FactorAnalysis


def main(arguments: list[str] | None = None) -> None:
    """Prints the gaps in nats per datum for every T, the law, and slopes of log gap on log T."""
    parser = Parser(description=__doc__.split("\n")[0])
    temperatures, simulated = [16, 32, 64, 128, 256], "simulated data for each (400)"
    parser.add_argument(
        "--temperatures", type=at_least(2), nargs="+", default=temperatures, metavar="T"
    )
    parser.add_argument("--data", type=at_least(2), default=400, help=simulated)
    gradients = "gradients of each transition (10)"
    parser.add_argument("--leapfrogs", type=at_least(1), default=10, help=gradients)
    options = parser.parse_args(arguments)
    joint = FactorAnalysis(
        torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(6), 0.3
    )
    distance = float(torch.trace(joint.posterior_precision)) - 3  # tr(WᵀΨ⁻¹W)
    print(f"{'T':>6}  {'law':>8}  {'perfect transitions':>20}  {'Hamiltonian':>20}")
    points = []
    for temperatures in options.temperatures:
        torch.manual_seed(temperatures)
        like = joint.conditional(joint.prior().sample((options.data,))).sample()
        plan = Annealing(temperatures, 1, options.leapfrogs, "prior", "linear")
        gaps = [
            perfect_gap(joint, like, plan),
            bidirectional(joint, ExactPosterior(joint), like, plan).gap,
        ]
        found = [(float(gap.mean()), standard_error(gap)) for gap in gaps]
        words = "  ".join(f"{f'{gap:.3f} ± {error:.3f}':>20}" for gap, error in found)
        print(f"{temperatures:>6}  {distance / temperatures:>8.3f}  {words}", flush=True)
        points.append([(temperatures, gap, error) for gap, error in found])
    names = ("perfect transitions", "Hamiltonian")
    for name, column in zip(names, np.array(points).swapaxes(0, 1), strict=True):
        slope, error = log_slope(column)
        print(f"slope of log gap on log T, {name}: {slope:.3f} ± {error:.3f}")


def perfect_gap(joint: FactorAnalysis, x: Tensor, plan: Annealing) -> Tensor:
    """Returns reverse minus forward log weight (N,) of one chain each.

    Every state is an independent draw from its own distribution.
    """
    betas = plan.betas().tolist()
    gap = torch.zeros(len(x), dtype=torch.float64)
    for old, beta in itertools.pairwise(betas):
        at = [
            joint.conditional(intermediate(joint, x, b).sample()).log_prob(x) for b in (old, beta)
        ]
        gap += (beta - old) * (at[1] - at[0])
    return gap


def intermediate(joint: FactorAnalysis, x: Tensor, beta: float) -> MultivariateNormal:
    """Returns the normal ∝ p(z) p(x|z)^β, (N, latent), whose precision is I + βWᵀΨ⁻¹W."""
    identity = torch.eye(joint.weight.shape[1], dtype=torch.float64)
    precision = identity + beta * (joint.posterior_precision - identity)
    pull = beta * ((x - joint.loc) / joint.variance) @ joint.weight
    return MultivariateNormal(torch.linalg.solve(precision, pull.T).T, precision_matrix=precision)


def log_slope(points: np.ndarray) -> tuple[float, float]:
    """Returns the slope of log gap on log T, by weighted least squares, and its standard error.

    `points` (n, 3) are T, gap and the gap's standard error.
    """
    x, y, weight = np.log(points[:, 0]), np.log(points[:, 1]), (points[:, 1] / points[:, 2]) ** 2
    centred = x - np.average(x, weights=weight)
    spread = float((weight * centred**2).sum())
    return float((weight * centred * y).sum()) / spread, spread**-0.5


if __name__ == "__main__":
    main()
