"""Files that are there whole or not at all."""

import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` so that `path` holds either what it held before or all of it, even after a power cut."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise OSError(
            error.errno, error.strerror, str(path)
        ) from error  # a failed write does not say of what
    finally:
        with suppress(OSError):  # it is gone if all went well
            beside.unlink()


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON, whole or not at all."""
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def write_arrays(path: Path, arrays: Mapping[str, "Tensor"]) -> None:
    """Tensors as a compressed .npz, whole or not at all."""
    import numpy as np

    plain: dict[str, Any] = {name: values.cpu().numpy() for name, values in arrays.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **plain)
    write_whole(path, buffer.getvalue())
