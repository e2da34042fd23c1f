"""Where sources stand: in a local folder, or in a repository on the hub at a pinned commit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pdbench.core.errors import DataError, UsageError
from pdbench.study.pins import commit
from pdbench.study.settings import Source


def local_folder(source: Source) -> Path:
    """Return the folder of a directory source."""
    if source.path is None:
        raise UsageError("key path: missing, and source is directory", "name the folder")
    folder = Path(source.path)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "mend key path")
    return folder


@contextlib.contextmanager
def at_commit(source: Source) -> Iterator[str]:
    """Yield the commit of a hub source to a block that fetches from it.

    Whatever the block raises is a DataError: the libraries have many kinds, for one cause.
    """
    revision = commit(source)
    try:
        yield revision
    except Exception as error:
        wanted = f"{source.file} " if source.file else ""
        reason = " ".join(str(error).split())
        raise DataError(
            f"{source.name}@{revision[:12]}: {wanted}cannot be fetched ({reason})",
            "check the name and the network, remove a broken copy from the cache, or use a "
            "directory source",
        ) from error
