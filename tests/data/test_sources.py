"""Every source: shapes, splits and types; torchvision's sets come from files in their formats."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile

import numpy as np
import pytest
import scipy.io
import torch

from data import View, open_dataset
from data.raw import RawSplit
from data.sources import arrays, digits, linear_gaussian, vision


def test_digits():
    raw = digits.load()
    assert [len(part.values) for part in (raw.train, raw.valid, raw.test)] == [1297, 250, 250]
    values = np.concatenate([part.values for part in (raw.train, raw.valid, raw.test)])
    assert (
        values.shape == (1797, 8, 8)
        and values.dtype == np.uint8
        and values.max() == 16
        and raw.levels == 17
    )
    assert len(np.unique(values.reshape(1797, -1).astype(int) @ np.arange(64) ** 3)) > 1790, (
        "the splits overlap"
    )
    assert set(raw.test.labels) == set(range(10))


def test_linear_gaussian_has_the_law_it_says():
    """The mean log-density of N draws is minus the entropy within 5 standard errors.

    The error probability is below 1e-6.
    """
    raw = linear_gaussian.load(dimensions=6, factors=2, noise=0.7, examples=20_000)
    log_prob = raw.truth.log_prob(raw.train.values.double())
    error = (log_prob.mean() + raw.truth.entropy()).abs() / (log_prob.std() / len(log_prob) ** 0.5)
    assert error < 5
    # A planted bug: a shifted law is noticed.
    shifted = raw.truth.log_prob(raw.train.values.double() + 0.1)
    assert (shifted.mean() + raw.truth.entropy()).abs() / (shifted.std() / len(shifted) ** 0.5) > 5
    assert torch.equal(
        raw.train.values,
        linear_gaussian.load(dimensions=6, factors=2, noise=0.7, examples=20_000).train.values,
    )


def idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.tobytes())


def write_mnist_like(root, folder, prefix="", train=10_020, test=7):
    generator = np.random.default_rng(0)
    for part, count in (("train", train), ("t10k" if not prefix else "test", test)):
        name = f"{prefix}{part}" if not prefix else f"{prefix}-{part}"
        idx(
            root / folder / "raw" / f"{name}-images-idx3-ubyte",
            generator.integers(0, 256, (count, 28, 28), dtype=np.uint8),
        )
        idx(
            root / folder / "raw" / f"{name}-labels-idx1-ubyte",
            generator.integers(0, 10, count, dtype=np.uint8),
        )


@pytest.mark.parametrize(
    ("load", "folder"),
    [(vision.mnist, "MNIST"), (vision.fashion_mnist, "FashionMNIST"), (vision.kmnist, "KMNIST")],
)
def test_mnist_and_its_kin(tmp_path, load, folder):
    write_mnist_like(tmp_path, folder)
    raw = load(str(tmp_path))
    assert [part.values.shape for part in (raw.train, raw.valid, raw.test)] == [
        (20, 28, 28),
        (10_000, 28, 28),
        (7, 28, 28),
    ]
    assert raw.levels == 256 and raw.test.labels.shape == (7,)
    shorter = load(str(tmp_path), validation=30)
    assert (len(shorter.train.values), len(shorter.valid.labels)) == (9_990, 30)
    assert np.array_equal(shorter.valid.values, raw.valid.values[-30:])
    with pytest.raises(ValueError, match=r"^validation=10020: must be from 1 to 10019"):
        load(str(tmp_path), validation=10_020)


@pytest.mark.parametrize(
    ("load", "folder", "prefix", "size"),
    [
        (vision.mnist, "MNIST", "", 10_020),
        (vision.kmnist, "KMNIST", "", 10_020),
        (vision.emnist, "EMNIST", "emnist-balanced", 12_810),
    ],
)
def test_packed_files_are_read_as_they_are(tmp_path, load, folder, prefix, size):
    write_mnist_like(tmp_path, folder, prefix, train=size)
    expected = load(str(tmp_path))
    files = list((tmp_path / folder / "raw").iterdir())
    for file in files[1:]:
        (file.with_name(f"{file.name}.gz")).write_bytes(gzip.compress(file.read_bytes(), 1))
        file.unlink()
    found = load(str(tmp_path))
    for part, split in expected.splits.items():
        assert np.array_equal(found.splits[part].values, split.values)
        assert np.array_equal(found.splits[part].labels, split.labels)
    file = next((tmp_path / folder / "raw").glob("*images*.gz"))
    for damaged in (file.read_bytes()[:-9], b"no archive", gzip.compress(b"\0\0\x08\x03")):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"^root=.*missing or damaged"):
            load(str(tmp_path))


def test_a_packed_cifar10_is_read_if_it_is_the_published_one(tmp_path, monkeypatch):
    import torchvision.datasets.cifar as module

    monkeypatch.setattr(module, "check_integrity", lambda *_: True)
    rows = np.random.default_rng(0).integers(0, 256, (2010, 3072), dtype=np.uint8)
    content = {f"data_batch_{i}": {"data": rows, "labels": [0] * 2010} for i in range(1, 6)}
    content["test_batch"], content["batches.meta"] = content["data_batch_1"], {"label_names": ["a"]}
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        for name, value in content.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(pickle.dumps(value))
            packed.addfile(member, io.BytesIO(pickle.dumps(value)))
    with pytest.raises(ValueError, match=r"^root=.*missing or damaged"):
        vision.cifar10(str(tmp_path))
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(module.CIFAR10, "tgz_md5", md5)
    assert np.array_equal(vision.cifar10(str(tmp_path)).test.values[3].ravel(), rows[3])
    assert [file.name for file in tmp_path.iterdir()] == [archive.name]


def test_emnist_is_upright(tmp_path):
    write_mnist_like(tmp_path, "EMNIST", "emnist-balanced", train=12_810)
    raw = vision.emnist(str(tmp_path))
    stored = np.frombuffer(
        (tmp_path / "EMNIST/raw/emnist-balanced-test-images-idx3-ubyte").read_bytes()[16:], np.uint8
    )
    assert np.array_equal(np.swapaxes(stored.reshape(7, 28, 28), 1, 2), raw.test.values)
    assert [len(part.values) for part in (raw.train, raw.valid, raw.test)] == [10, 12_800, 7]


def test_svhn(tmp_path, monkeypatch):
    import torchvision.datasets.svhn as module

    monkeypatch.setattr(module, "check_integrity", lambda *_: True)  # the real files' checksum
    for part, count in (("train", 10_003), ("test", 5)):
        images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
        scipy.io.savemat(
            tmp_path / f"{part}_32x32.mat", {"X": images, "y": np.arange(count)[:, None] % 10 + 1}
        )
    raw = vision.svhn(str(tmp_path))
    assert [part.values.shape for part in (raw.train, raw.valid, raw.test)] == [
        (n, 3, 32, 32) for n in (3, 10_000, 5)
    ]
    assert raw.test.labels.shape == (5,)


def test_cifar10_has_channels_first(tmp_path, monkeypatch):
    import torchvision.datasets.cifar as module

    monkeypatch.setattr(module, "check_integrity", lambda *_: True)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rows = np.random.default_rng(0).integers(0, 256, (2100, 3072), dtype=np.uint8)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        (folder / name).write_bytes(pickle.dumps({"data": rows, "labels": [0] * len(rows)}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["plane"]}))
    raw = vision.cifar10(str(tmp_path))
    assert [part.values.shape for part in (raw.train, raw.valid, raw.test)] == [
        (n, 3, 32, 32) for n in (500, 10_000, 2100)
    ]
    assert np.array_equal(raw.test.values[0].ravel(), rows[0])


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist", "emnist", "svhn", "cifar10"])
def test_missing_files_are_one_clear_line(tmp_path, name):
    with pytest.raises(ValueError, match="missing") as error:
        getattr(vision, name)(str(tmp_path))
    message = str(error.value)
    assert message.startswith(f"root={tmp_path}: ") and f"looked for in {tmp_path}" in message
    assert "data=digits" in message and "\n" not in message


def test_damaged_files_are_one_clear_line(tmp_path):
    write_mnist_like(tmp_path, "MNIST")
    (tmp_path / "MNIST/raw/train-images-idx3-ubyte").write_bytes(gzip.compress(b"not an idx file"))
    with pytest.raises(ValueError, match="missing or damaged"):
        vision.mnist(str(tmp_path))


class TestArrays:
    x = np.random.default_rng(0).random((50, 3), dtype=np.float32)

    def test_npy_is_split_by_tenths_of_a_permutation(self, tmp_path):
        """A table that is sorted has the same kinds of data in all splits; labels stay beside."""
        np.save(tmp_path / "x.npy", np.arange(1000.0)[:, None] * [1, 2])
        np.save(tmp_path / "y.npy", np.arange(1000))
        raw = arrays.load(str(tmp_path / "x.npy"), labels=str(tmp_path / "y.npy"))
        splits = raw.splits.values()
        assert [len(split) for split in splits] == [800, 100, 100]
        for split in splits:
            assert np.array_equal(split.values, split.labels[:, None] * [1, 2])
            assert abs(split.labels.mean() - 500) < 6 * 289 / len(split) ** 0.5
        assert sorted(np.concatenate([split.labels for split in splits])) == list(range(1000))
        again = arrays.load(str(tmp_path / "x.npy"))
        assert np.array_equal(again.test.values, raw.test.values)

    def test_order_and_streamed_files_are_split_as_they_are(self, tmp_path):
        np.save(tmp_path / "x.npy", self.x)
        by_order = arrays.load(str(tmp_path / "x.npy"), split_by="order")
        streamed = arrays.load(str(tmp_path / "x.npy"), memory_limit=100)
        for raw in (by_order, streamed):
            assert isinstance(raw.train.values, np.memmap) and raw.levels is None
            values = [split.values for split in raw.splits.values()]
            assert np.array_equal(np.concatenate(values), self.x)
        assert "streamed" in " ".join(streamed.notes)
        assert "streamed" not in " ".join(by_order.notes)
        with pytest.raises(ValueError, match=r"^split_by=date: choose from"):
            arrays.load(str(tmp_path / "x.npy"), split_by="date")

    def test_a_number_that_is_none_is_found_in_its_split(self, tmp_path):
        x = np.random.default_rng(0).normal(size=(20, 3))
        bad = x.copy()
        bad[17, 2] = np.inf
        np.savez(tmp_path / "x.npz", train=x, valid=bad, test=x)
        with pytest.raises(ValueError, match=r"x\.npz \(valid\): .* at index \(17, 2\); missing"):
            arrays.load(str(tmp_path / "x.npz"))

    def test_npz_with_splits(self, tmp_path):
        np.savez(
            tmp_path / "x.npz",
            train=self.x,
            valid=self.x[:4],
            test=self.x[:3],
            test_labels=np.arange(3),
        )
        raw = arrays.load(str(tmp_path / "x.npz"))
        assert [len(p.values) for p in (raw.train, raw.valid, raw.test)] == [50, 4, 3]
        assert raw.train.labels is None and list(raw.test.labels) == [0, 1, 2]

    @pytest.mark.parametrize(
        ("dtype", "levels"), [(np.uint8, 256), (np.bool_, 2), (np.int64, None), (np.float64, None)]
    )
    def test_levels_by_type(self, tmp_path, dtype, levels):
        np.save(tmp_path / "x.npy", (self.x * 9).astype(dtype))
        assert arrays.load(str(tmp_path / "x.npy")).levels == levels

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"a": x}, "expected arrays train, valid, test, or x; found a"),
            ({"train": x, "valid": x, "test": x[:, :2]}, "differ in the shape"),
            ({"x": x, "labels": np.arange(3)}, r"^path=.*x\.npz: labels: expected"),
            ({"x": x, "labels": np.full(50, np.nan)}, "NaN or infinity is no label"),
            ({"x": x, "labels": np.zeros(50, complex)}, "labels: expected one number or text"),
            ({"x": x, "labels": np.ones((50, 3))}, "labels: expected one number or text"),
        ],
    )
    def test_wrong_archives(self, tmp_path, content, message):
        np.savez(tmp_path / "x.npz", **content)
        with pytest.raises(ValueError, match=message):
            arrays.load(str(tmp_path / "x.npz"))

    def test_wrong_levels(self, tmp_path):
        np.save(tmp_path / "x.npy", np.full((20, 2), 9))
        with pytest.raises(ValueError, match="whole numbers"):
            arrays.load(str(tmp_path / "x.npy"), levels=8)

    def test_a_text_file_is_refused(self, tmp_path):
        (tmp_path / "x.npy").write_text("1 2 3")
        with pytest.raises(ValueError, match="not a readable array"):
            arrays.load(str(tmp_path / "x.npy"))


def saved(place, values):
    np.save(place, values)
    return str(place)


INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint16, np.uint32, np.uint64]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [*INTEGERS, np.float16, np.float32, np.float64, np.longdouble])
def test_numbers_of_every_type_and_byte_order_arrive(tmp_path, kind, order):
    values = np.random.default_rng(0).integers(0, 100, (60, 4)).astype(kind)
    path = saved(tmp_path / "x.npy", values.astype(np.dtype(kind).newbyteorder(order)))
    for options in ({}, {"memory_limit": 100}, {"split_by": "order"}):
        raw = arrays.load(path, **options)
        for limit in (None, "100" if "memory_limit" in options else None):
            data = open_dataset(raw, "mine", View("counts", memory_limit=limit))
            found = torch.cat([split[:] for split in data.splits.values()])
            assert found.dtype == torch.float32
            assert sorted(found.tolist()) == sorted(values.astype(float).tolist())


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (2**24 + 1, np.int64, "not exact in float32"),
        (2**53 + 1, np.uint64, "not exact in float32"),
        (-(2**31), np.int32, None),
        (2**40, np.int64, None),
        (1e39, np.float64, "too large"),
        (1e300, np.longdouble, "too large"),
        (np.nan, np.float64, "NaN or infinity at index"),
        (np.inf, np.float16, "NaN or infinity at index"),
        (1e5, np.float64, None),
    ],
)
def test_numbers_are_exact_or_refused(tmp_path, value, kind, message):
    values = np.ones((20, 3), kind)
    values[7, 2] = value
    path = saved(tmp_path / "x.npy", values)
    if message is None:
        assert arrays.load(path, split_by="order").train.values[7, 2] == value
        return
    with pytest.raises(ValueError, match=rf"^path=.*x\.npy: .*{message}") as error:
        arrays.load(path)
    assert "(7, 2)" in str(error.value)


def test_a_column_that_float32_is_too_coarse_for_is_refused(tmp_path):
    """Seconds since 1970, which float32 rounds to two minutes."""
    times = 1.7e9 + np.random.default_rng(0).random((50, 1)) * [[1, 1e6]]
    with pytest.raises(ValueError, match=r"^path=.*column \(0,\) lies in 1"):
        arrays.load(saved(tmp_path / "x.npy", times))
    arrays.load(saved(tmp_path / "y.npy", times[:, 1:]))


def test_bits_stored_as_bytes_need_a_word(tmp_path):
    path = saved(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 2, (30, 4), np.uint8))
    with pytest.raises(ValueError, match=r"^levels=null: all bytes .* data\.levels=2"):
        arrays.load(path)
    assert [arrays.load(path, levels=n).levels for n in (2, 256)] == [2, 256]


LABELS = {
    "with a hole": ([0, 5, 2, 5], [0, 2, 5]),
    "minus one": ([-1, 0, 1, 1], [-1, 0, 1]),
    "identifiers": ([2000007, 3, 2000007, 9], [3, 9, 2000007]),
    "floats": ([0.5, -1.5, 2.0, 0.5], [-1.5, 0.5, 2.0]),
    "text": (["dog", "cat", "dog", "ä"], ["cat", "dog", "ä"]),
    "bytes": ([b"dog", b"cat", b"dog", b"b"], ["b", "cat", "dog"]),
    "bits": ([True, False, True, True], [False, True]),
    "one-hot": ([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]], [0, 1, 2]),
    "a column": ([[4], [4], [1], [1]], [1, 4]),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", LABELS)
def test_labels_are_a_set_of_values(tmp_path, name, order):
    given, classes = LABELS[name]
    given = np.array(given * 10)
    x = np.arange(40.0)[:, None] * [1, 1]
    labels = saved(tmp_path / "y.npy", given.astype(given.dtype.newbyteorder(order)))
    raw = arrays.load(saved(tmp_path / "x.npy", x), labels=labels)
    data = open_dataset(raw, "mine", View("real", limit=7))
    assert list(data.classes) == classes and data.num_classes == len(classes)
    plain = given.argmax(1) if name == "one-hot" else given.reshape(40)
    for split in data.splits.values():
        rows = split[:][:, 0].long().tolist()
        expected = [v.decode() if isinstance(v, bytes) else v for v in plain[rows].tolist()]
        assert [data.classes[label] for label in split.labels] == expected


def test_labels_beside_an_archive_are_used_or_refused(tmp_path):
    x, y = np.ones((20, 2)), saved(tmp_path / "y.npy", np.arange(20))
    np.savez(tmp_path / "x.npz", x=x)
    raw = arrays.load(str(tmp_path / "x.npz"), labels=y)
    assert sorted(np.concatenate([s.labels for s in raw.splits.values()])) == list(range(20))
    np.savez(tmp_path / "own.npz", x=x, labels=np.arange(20))
    np.savez(tmp_path / "three.npz", train=x, valid=x, test=x)
    for name in ("own", "three"):
        with pytest.raises(ValueError, match=r"^labels=.*has arrays of its own"):
            arrays.load(str(tmp_path / f"{name}.npz"), labels=y)
    with pytest.raises(ValueError, match=r"^labels=.*none\.npy: no such file"):
        arrays.load(str(tmp_path / "x.npz"), labels=str(tmp_path / "none.npy"))
    np.savez(tmp_path / "more.npz", x=x, weights=np.arange(20))
    assert "not used: weights" in " ".join(arrays.load(str(tmp_path / "more.npz")).notes)


def test_rows_keep_values_and_labels_together():
    split = RawSplit(np.arange(6).reshape(3, 2), np.arange(3)).rows(slice(1, None))
    assert split.values.tolist() == [[2, 3], [4, 5]] and split.labels.tolist() == [1, 2]


def test_packed_labels_in_the_place_of_images(tmp_path):
    """The file is whole, and as long as the labels are: only its shape is not that of images."""
    write_mnist_like(tmp_path, "MNIST", "", train=10_020)
    files = {file.name: file for file in (tmp_path / "MNIST" / "raw").iterdir()}
    images = files["train-images-idx3-ubyte"]
    labels = files["train-labels-idx1-ubyte"].read_bytes()
    images.write_bytes(labels)
    for file in files.values():
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), 1))
        file.unlink()
    with pytest.raises(ValueError, match=r"^root=.*missing or damaged"):
        vision.mnist(str(tmp_path))
