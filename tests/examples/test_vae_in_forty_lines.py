"""The example computes what train.py computes: the same weights, to the last bit.

This would catch a step of the laboratory's own loop that does anything else than Pyro's SVI, and a
default, an order of construction or a use of the generator that the example has differently.
"""

import torch

from examples import vae_in_forty_lines


def test_the_loop_is_train_py(train, tmp_path, capsys):
    plan = vae_in_forty_lines.PLAN
    options = [f"train.epochs={plan.epochs}", "train.compile=off", "device=cpu"]
    status, _, err = train(*options, f"run_dir={tmp_path / 'run'}")
    assert status == 0, err
    state = torch.load(tmp_path / "run/checkpoint-last.pt", weights_only=True)
    model, guide = vae_in_forty_lines.train()  # flushes denormal numbers, as train.py has set it
    for name, program in (("model", model), ("guide", guide)):
        found = program.state_dict()
        assert found.keys() == state[name].keys()
        assert all(torch.equal(found[key], value) for key, value in state[name].items())
    assert capsys.readouterr().out.count("validation") == plan.epochs


def test_another_seed_gives_other_weights(monkeypatch):
    """The comparison can fail."""
    first, _ = vae_in_forty_lines.train()
    monkeypatch.setattr(vae_in_forty_lines, "SEED", 1)
    second, _ = vae_in_forty_lines.train()
    assert not torch.equal(first.decoder.output.weight, second.decoder.output.weight)
