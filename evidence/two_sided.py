"""log p(x) of any data from both sides."""

from functools import partial

from evidence.annealing import Annealing, Bracket, ais, reverse_ais
from evidence.batch import Batch, Data
from evidence.coupling import Coupling, posterior_draws
from evidence.importance import Importance
from evidence.joint import Joint
from evidence.lower import iwae
from evidence.noise import forked
from evidence.progress import Loop
from evidence.structure import Program
from evidence.upper import iw_eubo

# Up to so many latent numbers of a datum, draws of p(z) find modes of p(z|x) that the guide leaves
# out, and weights are tighter than annealing (docs/results.md has the measurement).
FEW_DIMENSIONS = 2


def bracket(
    model: Program,
    guide: Program,
    x: Data,
    plan: Annealing | Importance | None = None,
    coupling: Coupling | None = None,
) -> Bracket:
    """Bounds log p(x) from below, and from above by draws of p(z|x) that coupled chains give.

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        guide: the program of q(z|x), called in the same way.
        x: the data (N, *shape), or (x, y, …) where the programs take more than x.
        plan: how to come near: by annealing, or by importance weights. Unless it is given, by
            weights of 20,000 draws of guide and prior where a datum has up to two latent numbers,
            and else by annealing from the guide, 300 temperatures and 4 chains.
        coupling: how the chains are coupled; see `Coupling`.

    Returns:
        Bounds on log p(x) for every datum, in expectation: a lower one, by `ais` or `iwae`, and an
        upper one, by `reverse_ais` or `iw_eubo`. The upper one is infinite for data whose chains
        have not met, and its details say how many these are.

    Raises:
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).

    >>> from evidence.example import guide, model, x
    >>> found = bracket(model, guide, x.repeat(40, 1), Annealing(20, 4, 3, start="guide"))
    >>> -0.05 < float(found.gap.mean()) < 0.1, found.upper.details.never_met
    (True, 0)
    >>> found = bracket(model, guide, x.repeat(40, 1), Importance(particles=1000))
    >>> -0.05 < float(found.gap.mean()) < 0.1, found.upper.details.of.proposal
    (True, 'mixture')
    """
    plan = plan or _fitting(model, guide, x)
    with Loop(loops=3):
        draws = posterior_draws(model, guide, x, coupling)
        if isinstance(plan, Annealing):
            upper = draws.upper(partial(reverse_ais, model, guide, plan=plan))
            return Bracket(ais(model, guide, x, plan), upper)
        count, proposal = plan.particles, plan.proposal
        upper = draws.upper(partial(iw_eubo, model, guide, num_particles=count, proposal=proposal))
        return Bracket(iwae(model, guide, x, count, proposal), upper)


def _fitting(model: Program, guide: Program, x: Data) -> Annealing | Importance:
    """Returns a plan that depends on the number of latents alone, never on an estimate.

    The better of two noisy bounds, by their values, would be no bound.
    """
    one = Batch.some(x).first(1)
    with forked(one.device):
        few = Joint(model, guide, one).dimensions <= FEW_DIMENSIONS
    return Importance() if few else Annealing(temperatures=300, chains=4, start="guide")
