"""Dialogues in which one side recommends items to the other: ReDial and INSPIRED.

An example is the dialogue so far and an item that the recommender names next, for the first
time in the dialogue. In ReDial, a film that a form says was not suggested is none. Turns
begin with "user:" or "system:", and every example ends with "system:", so that no short
greeting is a whole example. Where a release has no dev set, whole dialogues are held out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa

from pdbench.core.errors import DataError, UsageError, suggestion
from pdbench.data import hub
from pdbench.data.records import Breakage, Located, open_rows
from pdbench.data.splits import is_held_out
from pdbench.study.settings import Data, Source, Task

_ROWS = pa.schema([("text", pa.string()), ("item", pa.string())])

_USER, _SYSTEM = "user:", "system:"

_LONGEST = 2**15
"""Characters of a dialogue, which is written once more for each of its items."""

_MENTION = re.compile(r"@(\d+)")

_UNQUOTED = Data(source="directory", quotes=False)


class _Turn(NamedTuple):
    side: str
    text: str
    items: tuple[str, ...]  # recommended; a user's are none
    named: tuple[str, ...]


_Dialogue: TypeAlias = tuple[str, list[_Turn]]  # its id and its turns


def reads(source: Source) -> bool:
    """Whether a text has the name of a release."""
    return _name(source) in _RELEASES


def read_splits(task: Task, breakage: Breakage) -> dict[str, pa.Table]:
    """Read train, dev and test: the dialogue so far in text, the id of the next item in item."""
    release = _release(task)
    found: dict[str, list[_Dialogue]] = {"train": [], "dev": [], "test": []}
    for split in release.files:
        for key, turns in release.read(_rows(task, release, split), breakage):
            held_out = "dev" not in release.files and split == "train" and is_held_out(key)
            found["dev" if held_out else split].append((key, turns))
    return {split: _table(dialogues) for split, dialogues in found.items()}


def read_text(source: Source, breakage: Breakage) -> pa.Table:
    """Read what stands before each item of the training file, without the item."""
    release = _release(source)
    return _table(release.read(_rows(source, release, "train"), breakage)).select(["text"])


def _examples(turns: Sequence[_Turn]) -> Iterator[tuple[str, str]]:
    """Yield the dialogue so far and the item, for each item that is recommended."""
    said: list[str] = []
    named: set[str] = set()
    heard = False
    for turn in turns:
        if heard:
            context = " ".join([*said, _SYSTEM])
            yield from ((context, item) for item in turn.items if item not in named)
        heard = heard or turn.side == _USER
        said.append(f"{turn.side} {turn.text}")
        named.update(turn.named)


def _table(dialogues: Iterable[_Dialogue]) -> pa.Table:
    found = [pair for _, turns in dialogues for pair in _examples(turns)]
    return pa.table([[text for text, _ in found], [item for _, item in found]], schema=_ROWS)


def _redial(rows: Located, breakage: Breakage) -> Iterator[_Dialogue]:
    def sound() -> Iterator[_Dialogue]:
        for where, row in rows:
            try:
                yield _redial_dialogue(row)
            except DataError as error:
                breakage.leave_out(DataError(f"{where}: {error.what}", error.remedy))
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                what = f"{where}: not a dialogue of ReDial ({type(error).__name__}: {error})"
                breakage.leave_out(DataError(what, "mend or remove the line, or set key broken"))

    return breakage.checked(sound())


def _redial_dialogue(row: dict[str, Any]) -> _Dialogue:
    mentions = _pairs(row["movieMentions"], "movieName")
    names = {str(i): str(name or "").strip() for i, name in mentions}
    forms = [row["respondentQuestions"], row["initiatorQuestions"]]
    denied = {i for form in forms for i, suggested in _pairs(form, "suggested") if suggested == 0}
    recommender = row["respondentWorkerId"]
    turns = []
    for message in row["messages"]:
        mentioned = tuple(i for i in _MENTION.findall(message["text"]) if i in names)
        text = _MENTION.sub(lambda found: names.get(found[1], found[0]), message["text"])
        side = _SYSTEM if message["senderWorkerId"] == recommender else _USER
        items = tuple(i for i in dict.fromkeys(mentioned) if i not in denied)
        said = " ".join(text.split())
        turns.append(_Turn(side, said, items if side == _SYSTEM else (), mentioned))
    return _short(str(row["conversationId"]), turns)


def _short(name: str, turns: list[_Turn]) -> _Dialogue:
    """A dialogue that may be written as often as it has turns; DataError where that is no end."""
    if (length := sum(len(turn.text) + len(_SYSTEM) for turn in turns)) > _LONGEST:
        what = f"dialogue {name[:40]!r}: {length:,} characters"
        raise DataError(what, f"cut or remove it: {_LONGEST:,} are read at most")
    return name, turns


def _pairs(form: Any, value: str) -> Iterator[tuple[str, Any]]:
    """The items of a form with one of its values: a mapping as published, or the hub's list.

    An empty one is published as a list.
    """
    if not isinstance(form, dict):
        return ((entry["movieId"], entry[value]) for entry in form)
    return ((i, found[value] if isinstance(found, dict) else found) for i, found in form.items())


def _inspired(rows: Located, breakage: Breakage) -> Iterator[_Dialogue]:
    spoken = breakage.checked(_spoken(rows, breakage))
    for name, own in itertools.groupby(spoken, lambda row: str(row["dialog_id"])):
        turns = []
        for row in own:
            side = _SYSTEM if row["speaker"] == "RECOMMENDER" else _USER
            text = " ".join(row["text"].replace("QUOTATION_MARK", '"').split())
            named = tuple(filter(None, (title.strip() for title in row["movies"].split(";"))))
            items = tuple(dict.fromkeys(named)) if side == _SYSTEM else ()
            turns.append(_Turn(side, text, items, named))
        yield _short(name, turns)


def _spoken(rows: Located, breakage: Breakage) -> Iterator[dict[str, Any]]:
    """The rows of which it is known who speaks."""
    for where, row in rows:
        missing = {"dialog_id", "speaker", "text", "movies"} - row.keys()
        if missing:
            what = f"{where}: no column {', '.join(sorted(missing))}"
            raise DataError(what, "use INSPIRED's own files")
        if row["speaker"] in ("RECOMMENDER", "SEEKER"):
            yield row
        else:
            what = f"{where}: speaker {row['speaker']!r}"
            breakage.leave_out(DataError(what, "write RECOMMENDER or SEEKER"))


class _Release(NamedTuple):
    files: dict[str, str]
    read: Callable[[Located, Breakage], Iterator[_Dialogue]]


_REDIAL = _Release({"train": "train_data.jsonl", "test": "test_data.jsonl"}, _redial)
_INSPIRED = _Release({s: f"{s}.tsv" for s in ("train", "dev", "test")}, _inspired)
_RELEASES = {"redial": _REDIAL, "re_dial": _REDIAL, "inspired": _INSPIRED}
"""By the name that a directory source gives, or the last part of a repository's."""


def _release(source: Source) -> _Release:
    name = _name(source)
    if name not in _RELEASES:
        what = f"key name: {source.name!r} is no release of dialogues"
        raise UsageError(what, suggestion(name, _RELEASES))
    return _RELEASES[name]


def _name(source: Source) -> str:
    return source.name.rpartition("/")[2].lower()


def _rows(source: Source, release: _Release, split: str) -> Located:
    if source.source == "directory":
        return open_rows(Path(source.path or "") / release.files[split], _UNQUOTED).whole()
    return hub.open_split(source, split).whole()
