"""Find the unusual among new data, and fill in what is missing: python -m examples.new_data [RUNS].

Of forty digits two are spoilt: the 7th is mirrored at its diagonal, and the 23rd is noise.
"""

import sys

import numpy as np
from sklearn.datasets import load_digits

from experiment import train

RUNS = sys.argv[1] if len(sys.argv) > 1 else "runs/examples"
run = train("train.epochs=20", "network.width=50", f"run_dir={RUNS}/standard_normal")
print(run)

images = load_digits().images[:40].copy()  # grey levels 0..16, as they are stored
images[7] = images[7].T
images[23] = np.random.default_rng(0).integers(0, 17, (8, 8))

# The run's space is bits: `read` binarises the grey levels as the run's own data were.
x = run.read(images)
score = run.score(x, particles=500)
unusual = score.per_datum.argsort()[:3].tolist()
print(f"log p(x) ≥ {score.mean:.2f} ± {score.standard_error:.2f} nats on average")
print("most unusual:", ", ".join(f"{n} ({score.per_datum[n]:.1f} nats)" for n in unusual))

images[:, :4] = np.nan  # the upper half is missing
filled = run.impute(run.read(images, missing=True), particles=200)
error = (filled.mean - x)[:, :4].square().mean().sqrt()
print(f"upper halves from the lower: RMSE {error:.3f}")
