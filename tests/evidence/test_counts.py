"""Every count that the library is asked for is a whole number, or is refused by its name.

The tests check type hints at every call, which a user's Python does not: so this runs by itself.
"""

import subprocess
import sys

from tests.conftest import ROOT

SCRIPT = """
import dataclasses, inspect
import numpy as np
import pyro, pyro.distributions as dist
import torch
import evidence

def model(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

def guide(x):
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(x / 2, 0.5**0.5).to_event(1))

x = torch.zeros(3, 1)
given = {"model": model, "guide": guide, "x": x, "like": x, "exact_draw": {"z": torch.zeros(3, 1)},
         "missing": torch.zeros(3, 1, dtype=bool), "fill": torch.zeros(1)}
PLANS, tried = ("Annealing", "Coupling", "Importance"), 0
for name in evidence.__all__:
    thing = getattr(evidence, name)
    plan = inspect.isclass(thing) and dataclasses.is_dataclass(thing) and name in PLANS
    if not (plan or inspect.isfunction(thing)):
        continue
    parameters = inspect.signature(thing).parameters
    for option, parameter in parameters.items():
        if "int" not in str(parameter.annotation):
            continue
        enough = {"num_particles": 100} if "num_particles" in parameters else {}
        arguments = {key: given[key] for key in parameters if key in given}
        for bad in (2.5, 100.0, True, "100", -1, np.float64(100)):
            try:
                thing(**arguments | enough | {option: bad})
            except ValueError as error:
                line = str(error)
                assert line.startswith(f"{option}={bad}") or line.startswith(f"{option}={bad!r}")
                assert ": must be" in line and "\\n" not in line, line
            else:
                raise AssertionError(f"{name}({option}={bad!r}) is taken")
            tried += 1
        thing(**arguments | {option: np.int64(100)})
print(tried)
"""


def test_every_count_is_a_whole_number_or_refused_by_name():
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 6 * 16
