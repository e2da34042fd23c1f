"""What local files hold: their digests, each read once for as long as the file is the same.

A study may read gigabytes from folders, and every cluster job reads the workflow again. So a
file's digest is kept beside the store by its path, inode, size and both of its times, of which
a user can set one only.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from pdbench.core.errors import DataError
from pdbench.core.files import file_digest, read_json, write_json
from pdbench.study.settings import Source

KNOWN = Path("results/store/contents.json")
"""The digests that are kept."""

MODEL_FILES = (
    *("config.json", "bert_config.json", "model.safetensors", "pytorch_model.bin"),
    *("vocab.txt", "tokenizer.json", "tokenizer_config.json"),
)
"""What is read of a folder that holds a model or a vocabulary."""

_SETTLED = 2.0  # seconds after which a change shows in a file's times, however coarse they are


class Contents:
    """The digests of local files; each object looks at every file once."""

    def __init__(self) -> None:
        self._known: dict[str, list[object]] = {}
        with contextlib.suppress(DataError):
            found = read_json(KNOWN)
            self._known = found if isinstance(found, dict) else {}
        self._seen: dict[str, str] = {}
        self._learnt = False

    def of(self, source: Source, names: Iterable[str] | None = None) -> dict[str, str] | None:
        """Digests of the files of a directory source by their names; None without the folder.

        Args:
            source: The source; its ``file`` is looked at alone if it names one.
            names: The files that count; None counts all but hidden ones, at any depth.
        """
        folder = Path(source.path or "")
        if not folder.is_dir():
            return None
        chosen = names if source.file is None else (source.file,)
        paths = _all_files(folder) if chosen is None else (folder / name for name in chosen)
        found = {str(p.relative_to(folder)): self.digest(p) for p in paths if p.is_file()}
        self._keep()
        return found

    def digest(self, path: Path) -> str:
        """The sha256 of a file, as 64 hexadecimal digits; of one that cannot be read, its error."""
        name = str(path.absolute())
        if name not in self._seen:
            try:
                self._seen[name] = self._look(path, name)
            except OSError as error:
                self._seen[name] = f"unreadable: {error.strerror}"
        return self._seen[name]

    def _look(self, path: Path, name: str) -> str:
        about = path.stat()
        stamp = [about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns]
        known = self._known.get(name)
        if known and known[1:] == stamp:
            return str(known[0])
        found = file_digest(path)
        if time.time() - max(about.st_mtime, about.st_ctime) > _SETTLED:
            self._known[name] = [found, *stamp]
            self._learnt = True
        return found

    def _keep(self) -> None:
        if self._learnt:
            with contextlib.suppress(OSError):  # a folder that is read-only keeps nothing
                write_json(KNOWN, self._known)
            self._learnt = False


def _all_files(folder: Path) -> Iterable[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if not name.startswith("."))
