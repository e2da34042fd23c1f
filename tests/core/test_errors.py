"""Errors that a user can cause, and what they must not say."""

from __future__ import annotations

import pytest

from pdbench.core.errors import DataError


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("https://alice:s3cret@index.org/simple: no", "https://***@index.org/simple: no"),
        ("proxy http://alice:p@s3cret@proxy:80 is down", "proxy http://***@proxy:80 is down"),
        ("401 for token hf_s3cretS3crets3cretS3crets3cretS3", "401 for token ***"),
        ("https://hub.org/a@b: alice@work", "https://hub.org/a@b: alice@work"),
    ],
)
def test_an_error_tells_no_secret(said: str, kept: str) -> None:
    """What a library says of an address comes without names, passwords and tokens."""
    error = DataError(said, "try again")

    assert error.what == kept
    assert str(error) == f"{kept}; try again"
