"""The normals that are fitted to pilots, beside torch's own mixture of the same normals."""

import math

import torch
from torch import distributions as dist

from evidence.normals import Normals


def law(normals):
    """torch's own mixture of the same normals."""
    parts = dist.Independent(dist.Normal(*(v.transpose(0, 1) for v in vars(normals).values())), 1)
    weights = torch.ones(parts.batch_shape).double()
    return dist.MixtureSameFamily(dist.Categorical(weights), parts)


def test_normals_that_are_fitted_are_torchs_own_mixture():
    """Density, draws and moments; a number of no width is not counted, and stays where it is."""
    torch.manual_seed(0)
    centre = torch.randn(3, 2, 4).double()
    visited = centre + torch.tensor([0.5, 1.0, 2.0, 0.01]) * torch.randn(400, 3, 2, 4).double()
    found = Normals.fitted(visited, torch.full((2, 4), 0.125).double())
    torch.testing.assert_close(found.mean, visited.mean(0))
    assert bool((found.sd[..., 3] == 0.125).all())
    torch.testing.assert_close(found.sd[..., :3], visited[..., :3].std(0))
    u = torch.randn(10, 4).double()
    expected = law(found).log_prob(u.unflatten(0, (5, 2))).flatten()
    torch.testing.assert_close(found.log_density(u), expected)
    torch.testing.assert_close(found.of(torch.tensor([1])).log_density(u[1::2]), expected[1::2])
    draws = found.draw(20_000).unflatten(0, (-1, 2))
    error = law(found).stddev / math.sqrt(len(draws))
    assert ((draws.mean(0) - law(found).mean) / error).abs().max() < 4.9
    torch.testing.assert_close(draws.std(0), law(found).stddev, rtol=0.03, atol=0)
    still = Normals(found.mean, found.sd.clone())
    still.sd[..., 1] = 0
    rest = [0, 2, 3]
    counted = Normals(found.mean[..., rest], found.sd[..., rest])
    torch.testing.assert_close(still.log_density(u), counted.log_density(u[:, rest]))
    places = still.draw(50)[:, 1].unflatten(0, (-1, 2))
    assert all(set(places[:, i].tolist()) == set(found.mean[:, i, 1].tolist()) for i in (0, 1))
