import itertools
import os
import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from data.picture import FORMATS
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
        patch.setattr(Image, "open", lambda *a, **k: pytest.fail("decoded again"))
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
    with pytest.raises(ValueError, match=r"broken\.png: cannot be read"):
        load(folder, size=4)
    with pytest.raises(ValueError, match=r"^path=.*no such folder"):
        load(folder / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"^path=.*no images"):
        load(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"^size=0: must be"):
        load(folder, size=0)
    assert not list((tmp_path / "cache").glob(".*"))  # no half of an array is left behind


RAMP = np.linspace(0, 1, 144).reshape(12, 12)
BYTES = (RAMP * 255).astype(np.uint8)


def deep_png(file):
    """A PNG with 16 bits in each of three channels, which Pillow cuts to bytes without a word."""

    def chunk(kind, content):
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    values = np.repeat((RAMP * 65535).astype(">u2")[..., None], 3, axis=2)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 12, 12, 16, 2, 0, 0, 0))
    content = header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def frames(file):
    pictures = [Image.fromarray(BYTES), Image.fromarray(255 - BYTES)]
    pictures[0].save(file, save_all=True, append_images=pictures[1:])


def with_alpha(channels):
    return Image.fromarray(np.dstack([BYTES] * channels))


TWELVE = b" ".join(str(int(v * 4095)).encode() for v in RAMP.flat)
UNFIT = {
    "png16.png": lambda f: Image.fromarray((RAMP * 65535).astype(np.uint16)).save(f),
    "rgb16.png": deep_png,
    "int.tif": lambda f: Image.fromarray((RAMP * 65535).astype(np.int32)).save(f),
    "float.tif": lambda f: Image.fromarray(RAMP.astype(np.float32)).save(f),
    "plain12.pgm": lambda f: f.write_bytes(b"P2 12 12 4095 " + TWELVE),
    "rgb10.ppm": lambda f: f.write_bytes(b"P6 12 12 1023\n" + bytes(12 * 12 * 6)),
    "float.ppm": lambda f: f.write_bytes(b"Pf 12 12 -1.0\n" + bytes(12 * 12 * 4)),
    "rgba.png": lambda f: with_alpha(4).save(f),
    "rgba.tif": lambda f: with_alpha(4).save(f),
    "la.png": lambda f: Image.fromarray(np.dstack([BYTES, BYTES]), "LA").save(f),
    "palette.png": lambda f: Image.fromarray(BYTES).convert("P").save(f, transparency=0),
    "colour.png": lambda f: with_alpha(3).save(f, transparency=(0, 0, 0)),
    "clear.webp": lambda f: with_alpha(4).save(f, lossless=True),
    "cmyk.jpg": lambda f: with_alpha(3).convert("CMYK").save(f),
    "frames.gif": frames,
    "frames.png": frames,
    "frames.tif": frames,
    "frames.webp": frames,
    "script.png": lambda f: with_alpha(3).save(f, format="EPS"),
    "picture.heic": lambda f: f.write_bytes(b"anything"),
}
BITS = Image.fromarray(BYTES > 127)
FIT = {
    "grey.png": (Image.fromarray(BYTES), BYTES),
    "grey.bmp": (Image.fromarray(BYTES), BYTES),
    "grey.tif": (Image.fromarray(BYTES), BYTES),
    "grey.pgm": (Image.fromarray(BYTES), BYTES),
    "grey.gif": (Image.fromarray(BYTES), BYTES),
    "palette.png": (Image.fromarray(BYTES).convert("P"), BYTES),
    "bits.png": (BITS, 255 * (BYTES > 127)),
}


@pytest.mark.parametrize("name", UNFIT)
@pytest.mark.parametrize("grey", [True, False])
def test_what_bytes_cannot_hold_is_refused_by_name(tmp_path, name, grey):
    place = tmp_path / "images"
    place.mkdir()
    for number in range(12):
        Image.fromarray(BYTES).save(place / f"{number}.png")
    UNFIT[name](place / name)
    with pytest.raises(ValueError, match=rf"^path=.*{name}") as error:
        load(place, grey=grey)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", FIT)
def test_values_are_those_of_the_file(tmp_path, name):
    (tmp_path / "images").mkdir()
    picture, values = FIT[name]
    for number in range(10):
        picture.save(tmp_path / "images" / f"{number}{name}")
    assert np.array_equal(load(tmp_path / "images", grey=True).train.values[0], values)
    assert np.array_equal(load(tmp_path / "images").test.values[0], np.stack([values] * 3))


def test_no_format_runs_a_program():
    assert not {"EPS", "WMF", "IPTC", "FPX"} & set(FORMATS)


def test_all_that_is_wrong_is_named_at_once(folder):
    for name in ("rgba.png", "rgb16.png"):
        UNFIT[name](folder / name)
    (folder / "broken.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"^path=") as error:
        load(folder, size=4)
    assert all(name in str(error.value) for name in ("rgba.png", "rgb16.png", "broken.png"))


@pytest.mark.parametrize("target", [".", "../elsewhere", "nowhere", "loop"])
def test_links_to_folders_and_loops_are_refused_by_name(folder, target):
    (folder.parent / "elsewhere").mkdir()
    (folder / "loop").symlink_to(target)
    with pytest.raises(ValueError, match=r"^path=.*/loop is a link"):
        load(folder)


def test_a_linked_file_is_read_and_a_pipe_is_refused(folder):
    Image.new("RGB", (8, 6), (77, 77, 77)).save(folder.parent / "other.png")
    (folder / "other.png").symlink_to(folder.parent / "other.png")
    assert 77 in itertools.chain(*numbers(load(folder)))
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(ValueError, match=r"pipe\.png is not a plain file"):
        load(folder)


def test_images_beside_the_splits_are_refused(folder):
    for part in ("train", "valid", "test"):
        (folder / part).mkdir()
        Image.new("L", (4, 4), 7).save(folder / part / "a.png")
    with pytest.raises(ValueError, match="lies beside the splits"):
        load(folder)


def test_bits_stored_as_bytes_are_refused(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(10):
        Image.fromarray((BYTES > 127).astype(np.uint8)).save(tmp_path / f"images/{number}.png")
    with pytest.raises(ValueError, match="0 and 1 of 255"):
        load(tmp_path / "images", grey=True)


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b"", lambda b: b[:-5] + b"\0" * 9])
def test_a_damaged_cache_is_made_again(folder, damage):
    before = numbers(load(folder))
    (kept,) = (folder.parent / "cache").iterdir()
    kept.write_bytes(damage(kept.read_bytes()))
    assert numbers(load(folder)) == before


def test_a_full_disk_is_one_line(folder):
    """A limit on the size of files stands for it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(ValueError, match=r"^cache=.*cannot keep the decoded images"):
            load(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((folder.parent / "cache").iterdir())
