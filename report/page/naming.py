"""What a page calls things."""

from evidence import Estimate
from evidence.estimate import Annealed

NAMES = {"elbo": "ELBO", "exact": "log p(x)", "truth": "the data's own law"}
NUMBERED = {"upper": "IW-EUBO"}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def bound_name(name: str, bound: Estimate) -> str:
    """Of a bound that evaluation.json calls `name`: IWAE-5000, AIS-1000."""
    details, count = bound.details, bound.particles
    count = details.temperatures if isinstance(details, Annealed) else count
    return NAMES.get(name, NUMBERED.get(name, name.upper()) + (f"-{count}" if count else ""))


def latent_name(site: str, dimension: int) -> str:
    """Of one dimension (counted from 0) of a latent site: z₁, or z1[1] where the site is numbered itself."""
    number = str(dimension + 1)
    return f"{site}[{number}]" if site[-1:].isdigit() else site + number.translate(SUBSCRIPTS)
