"""log p(x) of any data from both sides."""

from evidence.annealing import Annealing, Bracket, ais, reverse_ais
from evidence.batch import Batch, Data
from evidence.coupling import Coupling, posterior_draws
from evidence.estimate import Estimate
from evidence.structure import Latents, Program


def bracket(
    model: Program,
    guide: Program,
    x: Data,
    plan: Annealing | None = None,
    coupling: Coupling | None = None,
) -> Bracket:
    """Anneals towards p(z|x), and back from draws of it that coupled chains give.

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        guide: the program of q(z|x), called in the same way.
        x: the data (N, *shape), or (x, y, …) where the programs take more than x.
        plan: how to anneal; from the guide, by 300 temperatures and 4 chains unless given.
        coupling: how the chains are coupled; see `Coupling`.

    Returns:
        Bounds on log p(x) for every datum, in expectation: a lower one, by `ais`, and an upper one,
        by `reverse_ais`. The upper one is infinite for data whose chains have not met, and its
        details say how many these are.

    Raises:
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).

    >>> from evidence.example import guide, model, x
    >>> found = bracket(model, guide, x.repeat(40, 1), Annealing(20, 4, 3, start="guide"))
    >>> -0.05 < float(found.gap.mean()) < 0.1, found.upper.details.never_met
    (True, 0)
    """
    plan = plan or Annealing(temperatures=300, chains=4, start="guide")
    draws = posterior_draws(model, guide, x, coupling)

    def backwards(part: Batch, exact_draw: Latents) -> Estimate:
        return reverse_ais(model, guide, part, exact_draw, plan)

    return Bracket(ais(model, guide, x, plan), draws.upper(backwards))
