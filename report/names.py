"""What tables, figures and pages call things. Importing this does not import torch."""

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

# Bounds on log p(x), by their names in evaluation.json.
BOUNDS = {
    "elbo": "ELBO",
    "iwae": "IWAE",
    "ais": "AIS",
    "reverse_ais": "reverse AIS",
    "exact": "log p(x)",
    "upper": "IW-EUBO",
    "truth": "the data's own law",
}
# The bounds whose number of particles or temperatures is part of their name.
NUMBERED = ("iwae", "ais", "reverse_ais", "upper")

# The terms of the ELBO, by their names in metrics.jsonl and evaluation.json.
TERMS = {
    "elbo": "ELBO",
    "reconstruction": "reconstruction  E_q[log p(x|z)]",
    "kl": "rate  KL(q(z|x)‖p(z))",
}

# The parts of log p(x) − ELBO, by their names in evaluation.json.
GAP_PARTS = {"approximation_gap": "the family's part", "amortization_gap": "the encoder's part"}

# The side of log p(x) that a bound is on, by its kind.
SIDES = {"lower": "lower bound", "exact": "exact", "upper": "upper bound"}


def bound_name(name: str, effort: int | None = None) -> str:
    """Returns what a bound is called, with its number of particles or temperatures.

    >>> bound_name("iwae", 5000), bound_name("elbo", 100), bound_name("exact")
    ('IWAE-5000', 'ELBO', 'log p(x)')
    """
    known = BOUNDS.get(name, name)
    return f"{known}-{effort}" if name in NUMBERED and effort else known


def source_name(name: str) -> str:
    """Returns what log p(x) − ELBO was measured from: an exact value, or the best bound on it."""
    return "exact" if name == "exact" else BOUNDS[name]


def latent_name(site: str, dimension: int) -> str:
    """Returns what one dimension, counted from 0, of a latent site is called.

    >>> latent_name("z", 0), latent_name("z1", 0)
    ('z₁', 'z1[1]')
    """
    number = str(dimension + 1)
    return f"{site}[{number}]" if site[-1:].isdigit() else site + number.translate(SUBSCRIPTS)
