"""Files that are there whole or not at all."""

import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def write_whole(path: Path, content: bytes) -> None:
    """Writes `content` so that `path` holds all of it or what it held, even after a power cut.

    Raises:
        OSError: the file cannot be written; the error names it.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:  # a failed write does not say of what
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # it is gone if all went well
            beside.unlink()


def write_json(path: Path, value: object) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def write_arrays(path: Path, arrays: Mapping[str, "Tensor"]) -> None:
    """Writes tensors as a compressed .npz, whole or not at all."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: values.cpu().numpy() for name, values in arrays.items()})  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())
