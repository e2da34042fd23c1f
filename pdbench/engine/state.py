"""The resumable state of a run: written while it trains, removed once its record is whole.

A state is one safetensors file: the weights, the moments of AdamW and the losses so far; a
JSON header in its metadata says whose they are and where they stand. Random numbers need no
place in it, because those of a step follow from the seed and the step.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pdbench.core.files import flush, share

_FORMAT: Final = 4
"""Raised when an older state would be taken up wrongly."""

SAVE_EVERY = 300.0
"""Seconds between two saved states: about what an interruption may cost."""

_NEWEST, _PREVIOUS = "state.safetensors", "previous.safetensors"
_HEADER = "pdbench"

_log = logging.getLogger(__name__)


class Stopwatch:
    """Starts with a run; one that is taken up again goes on where its state was saved."""

    def __init__(self) -> None:
        self.started = now()
        self.resumed = 0
        self._before = 0.0
        self._clock = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall time of this start, and of earlier ones until their state was saved."""
        return self._before + time.perf_counter() - self._clock

    def note(self) -> dict[str, Any]:
        """What :meth:`take_up` asks."""
        return {"started": self.started, "seconds": self.seconds, "resumed": self.resumed}

    def take_up(self, started: str, seconds: float, resumed: int) -> None:
        """Count an earlier start."""
        self.started, self._before, self.resumed = started, seconds, resumed + 1


def now() -> str:
    """The time now, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Keeper:
    """Keeps the state of one run in a folder, and finds it when the run is started again.

    A state of another ``identity``, which is what decides the run's result, is never used. It is
    saved ``every`` so many seconds, and the run's ``watch`` goes on where it was saved.
    Of several processes that train together, one ``writes`` and reads.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, str | int],
        every: float = SAVE_EVERY,
        watch: Stopwatch | None = None,
        *,
        writes: bool = True,
    ) -> None:
        self.folder = folder
        self.stage = 0
        self._identity = {**identity, "format": _FORMAT}
        self._every = every
        self._watch = watch or Stopwatch()
        self._writes = writes
        self._saved = time.monotonic()
        self._finished: list[tuple[dict[str, Any], Tensor]] = []
        self._found = self._find() if writes else None
        if self._found is not None:
            header, tensors = self._found
            self._watch.take_up(**header["watch"])
            self._finished = [
                (done, tensors[f"finished.{i}"]) for i, done in enumerate(header["finished"])
            ]

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return self._writes and time.monotonic() - self._saved >= self._every

    @property
    def has_state(self) -> bool:
        """Whether a state of the run was found, or a stage of it noted."""
        return self._found is not None or bool(self._finished)

    def next_stage(self) -> tuple[dict[str, Any], Tensor] | None:
        """What a stage noted with :meth:`finish`, if it was finished before an interruption."""
        if self.stage == len(self._finished):
            return None
        self.stage += 1
        return self._finished[self.stage - 1]

    def restore(self, tensors: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Overwrite ``tensors`` with those saved in this stage; return what was noted with them."""
        if self._found is None:
            return None
        header, saved = self._found
        self._found = None
        for name, tensor in tensors.items():
            tensor.copy_(saved[name])
        note: dict[str, Any] = header["note"]
        return note

    def save(self, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
        """Write the state of the running stage; the one before is kept until it is whole."""
        if not self._writes:
            return
        finished = {f"finished.{i}": losses for i, (_, losses) in enumerate(self._finished)}
        copies = {k: v.detach().to("cpu", copy=True) for k, v in {**tensors, **finished}.items()}
        header = {
            "identity": self._identity,
            "stage": self.stage,
            "note": dict(note),
            "finished": [done for done, _ in self._finished],
            "watch": self._watch.note(),
            "digest": _digest(copies),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        newest, temporary = self.folder / _NEWEST, self.folder / f"{_NEWEST}.new"
        save_file(copies, temporary, {_HEADER: json.dumps(header)})
        share(temporary)
        flush(temporary)
        if newest.exists():
            newest.replace(self.folder / _PREVIOUS)
        temporary.replace(newest)
        flush(self.folder)
        self._saved = time.monotonic()

    def finish(self, done: Mapping[str, Any], losses: Tensor) -> None:
        """Note what the running stage did; states saved from now on are of the next one."""
        self._finished.append((dict(done), losses.detach().cpu()))
        self.stage += 1

    def remove(self) -> None:
        """Remove the state: the run's record is whole."""
        if self._writes:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _find(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        for path in (self.folder / _NEWEST, self.folder / _PREVIOUS):
            if not path.exists():
                continue
            try:
                header, tensors = _read(path)
            except (OSError, SafetensorError, KeyError, ValueError) as error:
                _log.warning("%s: this state is broken (%s); it is not used", path, error)
                continue
            if header["identity"] == self._identity:
                _log.info("going on from %s", path)
                return header, tensors
            _log.info("%s: the state of another specification or other inputs; not used", path)
        return None


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    with safe_open(path, "pt") as file:
        header = json.loads((file.metadata() or {})[_HEADER])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if header["digest"] != _digest(tensors):
        raise ValueError("its numbers do not match their digest")
    return header, tensors


def _digest(tensors: Mapping[str, Tensor]) -> str:
    sha = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        sha.update(name.encode())
        sha.update(tensor.contiguous().reshape(-1).numpy().data)
    return sha.hexdigest()
