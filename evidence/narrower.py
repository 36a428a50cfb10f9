"""Whether the guide may draw all that the prior may.

Where it may not, E_q[w] is the integral of p(x, z) over what it draws: still a lower bound on p(x),
which no number of particles takes to p(x). From above there is no bound but infinity.
"""

import torch
from pyro.poutine import Trace
from torch.distributions import biject_to
from torch.distributions.constraints import Constraint, MixtureSameFamilyConstraint, real

from evidence.structure import Site, latent_sites, site_of
from evidence.support import base_of

# Unconstrained numbers at which both supports are compared, with either sign: as far out as the
# prior's support takes them without rounding.
LADDER = (0.5, 1.0, 3.0, 10.0, 100.0, 1e3, 1e6)


def left_out(model: Trace, guide: Trace) -> str | None:
    """Returns what the prior of a latent may draw and the guide may not, in words; None if nothing.

    Arguments:
        model: The trace of the model at the guide's latents.
        guide: That of the guide.
    """
    for site in latent_sites(guide):
        support = site["fn"].support
        if support is None or support.is_discrete or base_of(support) is real:
            continue
        value = _outside(site_of(model, site["name"]), support)
        if value is not None:
            return (
                f"site {site['name']!r}: the prior may draw {value:.3g}, and the guide, whose "
                f"support is {type(base_of(support)).__name__.strip('_')}, may not"
            )
    return None


def _outside(prior: Site, of_guide: Constraint) -> float | None:
    """Returns a number of an event that lies in the prior's support and not in the guide's."""
    support = prior["fn"].support
    if isinstance(support, MixtureSameFamilyConstraint):
        support = support.base_constraint
    if support is None:
        return None
    try:
        transform = biject_to(support)
        free = transform.inverse_shape(prior["value"].shape)
    except NotImplementedError:  # such a support is refused where it is needed
        return None
    most = torch.finfo(prior["value"].dtype).max
    for number in (sign * far for far in LADDER if far < most for sign in (-1, 1)):
        u = prior["value"].new_full(free, number)
        value = transform(u)
        # Beyond, rounding leads to the ends of the support.
        exact = torch.isclose(transform.inv(value), u, rtol=0.1).all()
        inside = bool(exact) and bool(support.check(value).all())
        if inside and not bool(of_guide.check(value).all()):
            return float(value.flatten()[0])
    return None
