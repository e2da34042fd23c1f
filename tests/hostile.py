"""Words as somebody writes them who wants more than to be read, and how outputs are read back.

``TITLE`` is as hostile as a study lets a title be; ``NAME`` has line ends, control characters and
commands too, for tables and files of others.
"""

from __future__ import annotations

import itertools
import unicodedata
from html.parser import HTMLParser

from markdown_it import MarkdownIt

TITLE = (
    "=a $x^$ {\\frac & 100% #1 _y_ ~~z~~ <b onload='c'>&lt;i> `d` *e* [f](javascript:g) "
    "| \"h' [red]j[/red] :bug: ##[error]k ::error::l #"
)

NAME = (
    f"{TITLE}\n::stop-commands::zz\r  ::error file=a::INJECTED\n| m | n |\n\n# o\t\x07\x08\x0b\x0c"
    "\x1b]0;title\x07\x1b[2J\x7f\x85\x9b31m\N{RIGHT-TO-LEFT OVERRIDE}p\N{LINE SEPARATOR}q"
    "\N{ZERO WIDTH NO-BREAK SPACE}\ufffe\x00\n##[add-path]/r ##vso[s]"
)


def assert_nothing_obeys(text: str, own: str = "::error file=config/") -> None:
    """A text has no control character but line ends, and no command of a pipeline but our ``own``.

    GitHub's runner takes "::" for a command behind any blanks, and "##[" wherever it stands.
    """
    assert {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cn", "Zl", "Zp")} <= {"\n"}
    for line in text.split("\n"):
        assert not line.lstrip().startswith("::") or line.startswith(own), line
        assert "##[" not in line, line
        assert "##vso[" not in line, line


def words(text: str) -> str:
    """A text with its blanks alike."""
    return " ".join(text.split())


def markdown(text: str) -> tuple[list[list[str]], list[str]]:
    """The rows of all tables of a Markdown text, and its headings, which are text alone."""
    rows: list[list[str]] = []
    headings: list[str] = []
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    for before, token in itertools.pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if token.type != "inline" or before.type not in ("heading_open", "th_open", "td_open"):
            continue
        children = token.children or []
        assert {child.type for child in children} <= {"text"}, token.content
        found = words("".join(child.content for child in children))
        (headings if before.type == "heading_open" else rows[-1]).append(found)
    return rows, headings


class Html(HTMLParser):
    """The tags of a page with the names of their attributes, what these say, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.text = ""
        self.values: list[str] = []
        self.feed(text)
        self.text = words(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag and what its attributes say."""
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.values += [value or "" for name, value in attrs if name != "class"]

    def handle_data(self, data: str) -> None:
        """Keep a piece of text."""
        self.text += data
