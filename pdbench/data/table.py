"""The file of a table of results: Parquet that carries the sha256 of all its other bytes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from pdbench.core.errors import DataError
from pdbench.core.files import mended, replacing, unreadable

_KEY = "pdbench.sha256"
_BLANK = b"0" * 64  # stands in the place of the digest while that is computed
_CARRIED = re.compile(rf"{re.escape(_KEY)}.{{,9}}?([0-9a-f]{{64}})".encode(), re.DOTALL)


def write_table(path: Path, frame: Any) -> None:
    """Write a pandas DataFrame."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame)
    with replacing(path) as temporary:
        with pq.ParquetWriter(temporary, table.schema) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({_KEY: _BLANK.decode()})
        content = temporary.read_bytes()
        start, end = _place(content)
        temporary.write_bytes(content[:start] + _sha256(content) + content[end:])


def read_table(path: Path) -> Any:
    """Read a table as a pandas DataFrame; one that another program wrote carries no digest.

    Raises:
        DataError: It cannot be read, or a bit of it is not as it was written.
    """
    import pandas as pd
    import pyarrow as pa

    try:
        content = path.read_bytes()
        start, end = _place(content)
        if content[start:end] != _sha256(content[:start] + _BLANK + content[end:]) and end:
            raise DataError(f"{path}: it was changed since it was written", mended(path))
        return pd.read_parquet(pa.BufferReader(content))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file", "run its study first, or name another") from error
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read ({error})", mended(path)) from error


def _place(content: bytes) -> tuple[int, int]:
    """Where the digest begins and ends; (0, 0) without one."""
    found = _CARRIED.search(content)
    return found.span(1) if found else (0, 0)


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
