# %% [markdown]
"""Ten minutes, cell by cell: train, look, swap, bracket, your own data.

An editor that knows `# %%` cells (VS Code, Spyder, PyCharm, Jupytext) runs them one by one, and
`python -m examples.tutorial` runs them all. Every run is kept: again, it is there at once.
"""

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import torch

from evidence import Annealing, bracket, elbo, exact, iwae
from experiment import train
from report.figures.mosaic import mosaic

RUNS = os.environ.get("TUTORIAL_RUNS", "runs/tutorial")
EPOCHS = os.environ.get("TUTORIAL_EPOCHS", "100")

# %% [markdown]
"""# 1. Train

The words are those of `train.py`: a prior p(z), a likelihood p(x|z), a guide q(z|x). What is not
said has its default: 8×8 digits, a standard normal in two dimensions, Bernoulli pixels.
"""

# %%
run = train(f"train.epochs={EPOCHS}", f"run_dir={RUNS}/plain")
print(run)

# %% [markdown]
"""# 2. Look

x above its reconstruction E_q[E[x|z]]; below, draws of x and, beside them, nothing but the prior's
idea of a digit: E[x|z] at z ~ p(z).
"""

# %%
x = run.data("test")[:100]
rows = torch.cat([x[:12], run.reconstruct(x[:12]), run.sample(12), run.sample(12, means=True)])
plt.imshow(mosaic(rows, rows=4, columns=12), cmap="gray_r")
plt.axis("off")
plt.savefig(f"{RUNS}/look.png")

# %% [markdown]
"""# 3. Swap

Another prior is one word. The same data are scored under both, so the difference is taken datum by
datum: what makes a digit hard for one makes it hard for the other, and cancels.
"""

# %%
mixture = train("prior=mixture", f"train.epochs={EPOCHS}", f"run_dir={RUNS}/mixture")
gain = mixture.score(x, exactly=True).per_datum - run.score(x, exactly=True).per_datum
error = gain.std() / len(gain) ** 0.5
print(f"a mixture gains {gain.mean():.2f} ± {error:.2f} nats per digit")

# %% [markdown]
"""# 4. Bracket

The ELBO is below log p(x) by KL(q(z|x)‖p(z|x)). More importance samples close the gap, and with
two latent dimensions log p(x) itself is there to see it: it is integrated.
"""

# %%
for name, bound in {
    "ELBO": elbo(run.model, run.guide, x),
    "IWAE-10": iwae(run.model, run.guide, x, num_particles=10),
    "IWAE-1000": iwae(run.model, run.guide, x, num_particles=1000),
    "log p(x)": exact(run.model, run.guide, x),
}.items():
    assert bound is not None  # exact is None where no way to it is known
    print(f"{name:9} {bound.mean:8.3f} ± {bound.standard_error:.3f}  {bound.kind}")

# %% [markdown]
"""With ten dimensions nothing integrates it. Annealing bounds it from below, and chains that are
coupled until they meet give what an upper bound needs: the truth lies between.
"""

# %%
wide = train("latent_dim=10", f"train.epochs={EPOCHS}", f"run_dir={RUNS}/wide")
few = x[:2]
found = bracket(wide.model, wide.guide, few, Annealing(temperatures=20, chains=4, start="guide"))
print(f"ELBO {elbo(wide.model, wide.guide, few).mean:.2f}", end=" ≤ ")
print(f"AIS {found.lower.mean:.2f} ≤ log p(x) ≤ reverse AIS {found.upper.mean:.2f}")

# %% [markdown]
"""# 5. Your own data

A table of numbers is an array, a .csv or a DataFrame. The run puts new rows into its own space, and
scores them: those of the lowest log p(x) are the most unusual.
"""

# %%
noise = np.random.default_rng(0)
angle = noise.uniform(0, 2 * np.pi, 1000)
ring = np.stack([np.cos(angle), np.sin(angle), angle * 0], 1) + noise.normal(0, 0.1, (1000, 3))
np.save(f"{RUNS}/ring.npy", ring)
mine = train(
    "data=arrays",
    f"data.path={RUNS}/ring.npy",
    "likelihood=gaussian",
    "likelihood.scale=learned",
    f"train.epochs={EPOCHS}",
    f"run_dir={RUNS}/ring",
)
new = mine.read(np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [3.0, 3.0, 3.0]]))
score = mine.score(new).per_datum
for row, log_p in zip(new.tolist(), score.tolist(), strict=True):
    print(f"{np.round(row, 1)}: log p(x) = {log_p:.2f}")

# %% [markdown]
"""# And then

`python evaluate.py runs/tutorial/*` writes a page for each run, and `python compare.py
runs/tutorial/plain runs/tutorial/mixture` one that compares them. docs/README.md says what to read
next.
"""
