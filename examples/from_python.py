"""Train, load and measure from Python: python -m examples.from_python [RUNS]."""

import sys

from evidence import elbo, exact, iwae
from experiment import load_run, train

RUNS = sys.argv[1] if len(sys.argv) > 1 else "runs/examples"

# The words of the command line. Called again, this finds the run done and loads it.
for prior in ("standard_normal", "mixture"):
    train(f"prior={prior}", "train.epochs=20", "network.width=50", f"run_dir={RUNS}/{prior}")

print(f"{'prior':18}{'ELBO':>9}{'IWAE-500':>10}{'log p(x)':>10}{'± s.e.':>8}")
for prior in ("standard_normal", "mixture"):
    run = load_run(f"{RUNS}/{prior}")
    x = run.data("test")[:100]
    known = exact(run.model, run.guide, x)
    assert known is not None  # two latent dimensions: quadrature is at hand
    bounds = elbo(run.model, run.guide, x), iwae(run.model, run.guide, x, num_particles=500)
    means = "".join(f"{estimate.mean:10.2f}" for estimate in (*bounds, known))
    print(f"{prior:17}{means}{known.standard_error:8.2f}")
