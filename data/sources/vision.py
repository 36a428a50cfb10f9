"""torchvision's image sets, read from `data.root` in torchvision's own layout.

Files that are still packed, as they are downloaded, are read as they are.

Validation is the tail of the official training split, which `validation` makes longer or shorter,
and test is the official test split:

    set            train    valid    test
    mnist          50,000   10,000   10,000
    fashion_mnist  50,000   10,000   10,000
    kmnist         50,000   10,000   10,000
    emnist         100,000  12,800   18,800    (the `balanced` split: 47 classes)
    svhn           63,257   10,000   26,032
    cifar10        40,000   10,000   10,000
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from data.packed import read_idx, unpacked
from data.raw import RawData, RawSplit

# The names of the files for training and for test begin with these.
FAMILY = {
    **dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST"), ("train", "t10k")),
    "EMNIST": ("emnist-balanced-train", "emnist-balanced-test"),
}


def mnist(root: str, download: bool = False, validation: int | None = None) -> RawData:
    """Returns `(N, 28, 28)`, 256 levels. LeCun et al. 1998."""
    return _train_flag("MNIST", root, download, validation)


def fashion_mnist(root: str, download: bool = False, validation: int | None = None) -> RawData:
    """Returns `(N, 28, 28)`, 256 levels. Xiao et al. 2017."""
    return _train_flag("FashionMNIST", root, download, validation)


def kmnist(root: str, download: bool = False, validation: int | None = None) -> RawData:
    """Returns `(N, 28, 28)`, 256 levels. Clanuwat et al. 2018."""
    return _train_flag("KMNIST", root, download, validation)


def cifar10(root: str, download: bool = False, validation: int | None = None) -> RawData:
    """Returns `(N, 3, 32, 32)`, 256 levels. Krizhevsky 2009."""
    return _train_flag("CIFAR10", root, download, validation)


def emnist(root: str, download: bool = False, validation: int | None = None) -> RawData:
    """Returns the `balanced` split, `(N, 28, 28)`, 256 levels. Cohen et al. 2017.

    The files hold transposed images, which are turned upright.
    """
    train, test = (
        RawSplit(np.swapaxes(part.values, 1, 2), part.labels)
        for part in (
            _open("EMNIST", root, download, train=flag, split="balanced") for flag in (True, False)
        )
    )
    return RawData(*_split(train, validation, 12_800), test, levels=256)


def svhn(root: str, download: bool = False, validation: int | None = None) -> RawData:
    """Returns cropped digits, `(N, 3, 32, 32)`, 256 levels. Netzer et al. 2011."""
    train, test = (_open("SVHN", root, download, split=part) for part in ("train", "test"))
    return RawData(*_split(train, validation), test, levels=256)


def _train_flag(name: str, root: str, download: bool, validation: int | None) -> RawData:
    """Returns a set whose constructor takes `train=True|False`."""
    train, test = (_open(name, root, download, train=flag) for flag in (True, False))
    return RawData(*_split(train, validation), test, levels=256)


def _split(
    official: RawSplit, validation: int | None, default: int = 10_000
) -> tuple[RawSplit, RawSplit]:
    """Returns train and valid, which is the last `validation` examples, or `default` ones."""
    count = default if validation is None else validation
    if not 1 <= count < len(official):
        raise ValueError(f"validation={count}: must be from 1 to {len(official) - 1}")
    return official.split_off(count)


def _open(name: str, root: str, download: bool, **which: str | bool) -> RawSplit:
    directory = Path(root).expanduser().resolve()
    try:
        if name in FAMILY and not download:
            stem = FAMILY[name][0 if which["train"] else 1]
            if (packed := read_idx(directory / name / "raw", stem)) is not None:
                return RawSplit(*packed)
        return _unpacked(name, directory, download, which)
    # Files that are missing or damaged bring about any of these.
    except (RuntimeError, OSError, AssertionError, ValueError, KeyError) as error:
        where = directory if name in ("SVHN", "CIFAR10") else directory / name / "raw"
        hint = "with a network, download=true fetches them"
        if download:
            hint = f"download failed ({error})"
        raise ValueError(
            f"root={root}: the files of torchvision's {name} are missing or damaged, "
            f"looked for in {where}; {hint}; without them, data=digits needs no files"
        ) from error


def _unpacked(name: str, directory: Path, download: bool, which: dict[str, str | bool]) -> RawSplit:
    """Returns what torchvision reads."""
    import torchvision.datasets

    with ExitStack() as held:
        if name == "CIFAR10" and not download:
            published = torchvision.datasets.CIFAR10
            archive = directory / published.filename
            place = unpacked(archive, published.base_folder, published.tgz_md5)
            if place is not None:
                directory = Path(held.enter_context(place))
        found = vars(torchvision.datasets)[name](directory, download=download, **which)
    labels = found.labels if name == "SVHN" else found.targets
    values = np.asarray(found.data)
    if name == "CIFAR10":
        values = values.transpose(0, 3, 1, 2)  # stored as height, width, channel
    return RawSplit(values, np.asarray(labels))
