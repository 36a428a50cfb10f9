import itertools

import numpy as np
import pytest
from PIL import Image

from data.sources import images


@pytest.fixture
def folder(tmp_path):
    """Forty images 6×8; every pixel of an image is its number."""
    place = tmp_path / "images"
    (place / "deeper").mkdir(parents=True)
    for number in range(40):
        Image.fromarray(np.full((6, 8, 3), number, np.uint8)).save(
            place / ("deeper" if number % 2 else ".") / f"{number}.png"
        )
    return place


def load(folder, **options):
    return images.load(str(folder), cache=str(folder.parent / "cache"), **options)


def numbers(raw):
    return [
        sorted(int(v) for v in part.values.reshape(len(part), -1)[:, 0])
        for part in raw.splits.values()
    ]


@pytest.mark.parametrize(
    ("options", "shape"), [({}, (3, 6, 8)), ({"grey": True}, (6, 8)), ({"size": 5}, (3, 5, 5))]
)
def test_every_image_is_in_one_split(folder, options, shape):
    raw = load(folder, **options)
    assert (
        raw.levels == 256
        and raw.train.values.shape == (32, *shape)
        and raw.train.values.dtype == np.uint8
    )
    assert sorted(itertools.chain(*numbers(raw))) == list(range(40))


def test_decoded_once_until_a_file_changes(folder, monkeypatch):
    before = numbers(load(folder))
    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", lambda *a: pytest.fail("decoded again"))
        assert numbers(load(folder)) == before
    Image.fromarray(np.full((6, 8, 3), 99, np.uint8)).save(folder / "0.png")
    assert 99 in itertools.chain(*numbers(load(folder)))


def test_given_splits(folder):
    for part in ("train", "valid", "test"):
        (folder / "given" / part).mkdir(parents=True)
        Image.new("L", (4, 4), 7).save(folder / "given" / part / "a.png")
    assert [len(part) for part in load(folder / "given").splits.values()] == [1, 1, 1]


def test_refusals_name_the_file(folder, tmp_path):
    Image.new("RGB", (3, 3)).save(folder / "odd.png")
    with pytest.raises(ValueError, match=r"^path=.*size=N makes"):
        load(folder)
    (folder / "broken.png").write_bytes(b"\x89PNG no image")
    with pytest.raises(ValueError, match=r"broken\.png cannot be read"):
        load(folder, size=4)
    with pytest.raises(ValueError, match=r"^path=.*no such folder"):
        load(folder / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"^path=.*no images"):
        load(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"^size=0: must be"):
        load(folder, size=0)
    assert not list((tmp_path / "cache").glob(".*"))  # no half of an array is left behind
