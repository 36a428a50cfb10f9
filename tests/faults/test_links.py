"""Nothing is written through a link in a run directory; the directory itself may be one."""

import shutil

import pytest

from experiment.files import make_folder, write_whole
from tests.faults.conftest import QUICK, TINY

EVERYTHING = (
    *("--impute", "left", "--impute-particles", 40),
    *("--export", "latents,scores,reconstructions,samples"),
)
FOLDERS = ("figures", "tensorboard")


def contents(folder):
    return {
        file.relative_to(folder): file.read_bytes() if file.is_file() else None
        for file in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def written(good, evaluate, tmp_path_factory):
    """The names of all that a run ends up with, after everything was measured."""
    run = shutil.copytree(good, tmp_path_factory.mktemp("written") / "run")
    assert evaluate(run, *QUICK, *EVERYTHING)[0] == 0
    return run, sorted(file.name for file in run.iterdir())


def linked(run, outside, name):
    """Puts a link to something outside in the place of a file or folder of the run."""
    place, there = run / name, outside / name
    if place.is_dir() or name in FOLDERS:
        there.mkdir(parents=True)
        (there / "samples.png").write_bytes(b"precious")
        shutil.rmtree(place, ignore_errors=True)
    else:
        outside.mkdir(exist_ok=True)
        there.write_bytes(place.read_bytes() if place.exists() else b"precious")
        place.unlink(missing_ok=True)
    place.symlink_to(there)


@pytest.mark.verify
def test_every_file_of_a_run_as_a_link(written, evaluate, tmp_path):
    """All that evaluate.py writes, links at once: what they lead to stays as it was."""
    run, names = written
    assert {"report.html", "evaluation.npz", "imputations.json", "figures"} <= set(names)
    for folders in (False, True):
        spoiled, outside = tmp_path / f"run{folders}", tmp_path / f"outside{folders}"
        shutil.copytree(run, spoiled)
        for name in names:
            # A lock that is a link is refused before any work: see test_pairs.
            if (folders or name not in FOLDERS) and not name.startswith(".lock"):
                linked(spoiled, outside, name)
        before = contents(outside)
        status, _, error = evaluate(spoiled, *QUICK, *EVERYTHING)
        assert contents(outside) == before
        if folders:
            assert status == 1 and "figures: is a link" in error and len(error.splitlines()) == 1
        else:
            assert status == 0 and not (spoiled / "report.html").is_symlink(), error


def test_folders_and_files_of_a_run_are_not_written_through_links(tmp_path):
    (tmp_path / "there").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "there").read_text() == "precious" and not (tmp_path / "link").is_symlink()
    (tmp_path / "figures").symlink_to(tmp_path / "folder")
    with pytest.raises(OSError, match="is a link"):
        make_folder(tmp_path / "figures")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    "name", ["config.yaml", "environment.json", ".lock", "metrics.jsonl", "tensorboard", "DONE"]
)
def test_training_writes_through_no_link(good, train, tmp_path, name):
    """A run that is to be trained again, with one of its files a link, and one leading nowhere."""
    for nowhere in (False, True):
        run, outside = tmp_path / f"run{nowhere}", tmp_path / f"outside{nowhere}"
        shutil.copytree(good, run)
        for gone in ("DONE", "checkpoint-last.pt", "checkpoint-best.pt", "tensorboard"):
            (run / gone).unlink(missing_ok=True)
        linked(run, outside, name)
        if nowhere:
            shutil.rmtree(outside)
        before = contents(outside)
        status, _, error = train(*TINY, "train.tensorboard=true", f"run_dir={run}")
        assert contents(outside) == before and outside.exists() != nowhere
        assert status in (0, 1, 2) and "Traceback" not in error


def test_a_linked_run_directory_is_a_run(good, evaluate, train, tmp_path):
    run = shutil.copytree(good, tmp_path / "run")
    (tmp_path / "link").symlink_to(run)
    (run / "report.html").unlink()
    assert evaluate(tmp_path / "link", *QUICK)[0] == 0
    assert (run / "report.html").exists()
    (run / "DONE").unlink()
    assert train(*TINY, f"run_dir={tmp_path / 'link'}")[0] == 0 and (run / "DONE").exists()


def test_a_folder_in_the_place_of_an_unfinished_file(good, train, tmp_path):
    run = shutil.copytree(good, tmp_path / "run")
    (run / ".checkpoint-last.pt.x.tmp").mkdir()
    (run / "DONE").unlink()
    assert train(*TINY, f"run_dir={run}")[0] == 0
