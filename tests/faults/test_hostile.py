"""Somebody else's run directory is a run, or is refused in one line.

Opening it executes nothing in it and exhausts neither memory nor time.
"""

import pickle
import random
import resource
import shutil
import zipfile

import pytest
import torch
import yaml

from errors import RequestError
from experiment import load_run
from experiment.allocation import at_most, elements
from experiment.choices import AXES
from experiment.directory import RunDirectory

TINY = ("train.epochs=1", "network.width=8", "data.limit=100", "device=cpu", "train.compile=off")


@pytest.fixture(scope="module")
def good(command, tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "run"
    assert command("train.py", f"run_dir={folder}", *TINY).returncode == 0
    (folder / "checkpoint-last.pt").unlink()  # it would stand in for the best
    return folder


@pytest.fixture
def run(good, tmp_path):
    """A copy of a good run, which a test spoils."""
    return shutil.copytree(good, tmp_path / "run")


@pytest.fixture(autouse=True)
def limited():
    """Gives a test at most 12 GiB of data: exhaustion is then an error, and no dead machine."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (12 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


def refused(run):
    with pytest.raises(RequestError) as error:
        load_run(run)
    assert "\n" not in str(error.value)
    return str(error.value)


class Trap:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


def test_pickle_in_a_checkpoint(run, tmp_path):
    torch.save({"model": Trap(tmp_path / "sprung"), "guide": {}}, run / "checkpoint-best.pt")
    assert "not a checkpoint of tensors" in refused(run)
    (run / "checkpoint-best.pt").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    assert "not a checkpoint of tensors" in refused(run)
    assert not (tmp_path / "sprung").exists()


def spoil(run, **nodes):
    config = yaml.safe_load((run / "config.yaml").read_text())
    for name, value in nodes.items():
        config[name] = config[name] | value if isinstance(value, dict) else value
    (run / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.parametrize(
    "target",
    ["os.system", "subprocess.run", "builtins.eval", "errors.sys.exit", "data.raw.np.load"],
)
@pytest.mark.parametrize("axis", AXES)
def test_code_from_elsewhere(run, axis, target):
    config = yaml.safe_load((run / "config.yaml").read_text())
    config[axis] = {"_target_": target, "command": "exit 1"}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert axis in refused(run)


def test_yaml_bomb(run):
    levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
    (run / "config.yaml").write_text(f"a0: &a0 [x]\n{levels}\n")
    assert "config.yaml" in refused(run)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "[" * 50_000,
        "a: !!python/object/apply:os.system ['exit 1']",
        "\x00",
        "{" * 2_000_000,
        "a: 1e999999999",
    ],
)
def test_unreadable_configurations(run, text):
    (run / "config.yaml").write_text(text)
    refused(run)


def test_configuration_that_is_not_text(run):
    (run / "config.yaml").write_bytes(b"\xff\xfe\x00\x80")
    assert "config.yaml" in refused(run)


@pytest.mark.parametrize(
    "nodes",
    [
        {"network": {"width": 10**9}},
        {"network": {"layers": 10**9}},
        {"network": {"width": 10**5, "layers": 10**5}},
        {"latent_dim": 10**9},
        {"latent_dim": 10**30},
        {"latent_dim": -1},
        {
            "data": {
                "_target_": "data.sources.linear_gaussian.load",
                "dimensions": 10**9,
                "space": "real",
            }
        },
    ],
)
def test_enormous_shapes(run, nodes):
    spoil(run, **nodes)
    refused(run)


def test_a_checkpoint_that_claims_an_enormous_shape(run):
    """It stores one number and shows it a billion times."""
    state = torch.load(run / "checkpoint-best.pt", weights_only=True)
    name = next(iter(state["model"]))
    state["model"][name] = torch.zeros(1).expand(10**9)
    torch.save(state, run / "checkpoint-best.pt")
    assert elements(state) < 10**6
    assert "does not fit" in refused(run)


def test_a_checkpoint_that_unpacks_to_more_than_it_is(run):
    good = run / "checkpoint-best.pt"
    with (
        zipfile.ZipFile(good) as source,
        zipfile.ZipFile(run / "packed", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for member in source.infolist():
            packed.writestr(member.filename, source.read(member))
    shutil.move(run / "packed", good)
    assert "damaged" in refused(run)


def test_a_figure_outside_the_directory_is_not_read(run, tmp_path):
    from report.comparison.reading import EvaluatedRun, MeasuredData

    (tmp_path / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\nsecret")
    (run / "figures").mkdir()
    (run / "figures" / "samples.png").symlink_to(tmp_path / "secret.png")
    data = MeasuredData("digits", "test", "binary", None, 1, None, None)
    evaluated = EvaluatedRun(run, "test", {}, 0, data, {}, None, {})
    assert evaluated.figure("samples") is None


def test_flipped_bits_and_cuts_in_a_configuration(run):
    """What is left is either a run or refused in one line."""
    good = (run / "config.yaml").read_bytes()
    generator = random.Random(0)
    for number in range(40):
        bad = bytearray(good)
        bad[generator.randrange(len(bad))] ^= 1 << generator.randrange(8)
        (run / "config.yaml").write_bytes(
            bad[: generator.randrange(len(bad))] if number % 4 == 0 else bad
        )
        try:
            RunDirectory(run).read_config()
            load_run(run)
        except RequestError as error:
            assert "\n" not in str(error)


def test_the_limit_sees_every_factory():
    makers = (
        lambda: [torch.zeros(1) for _ in range(20)],
        lambda: torch.zeros(10**6),
        lambda: torch.randn(10**3, 10**3),
        lambda: torch.full((10**6,), 1.0),
        lambda: torch.arange(10**6),
        lambda: torch.linspace(0, 1, 10**6),
        lambda: torch.eye(10**3),
        lambda: torch.nn.Linear(10**3, 10**3),
        lambda: [torch.zeros(1000) for _ in range(10**3)],
    )
    for make in makers:
        with pytest.raises(MemoryError), at_most(10**5):
            make()
    with at_most(10**6):
        torch.nn.Linear(100, 100)(torch.randn(10, 100)).reshape(-1).sum()
