"""Agreement between the label names of a source and those of a study."""

from __future__ import annotations

from collections.abc import Sequence

from pdbench.core.errors import UsageError


def label_order(where: str, theirs: Sequence[str], ours: Sequence[str]) -> list[int]:
    """Return, for each of the source's label names, its index among the study's.

    Args:
        where: What the names belong to, for the error.
        theirs: The source's label names, in the order of its indices.
        ours: The label names of the study file.

    Raises:
        UsageError: The two are not the same names.
    """
    if set(theirs) != set(ours):
        raise UsageError(
            f"{where}: key labels: {', '.join(ours) or 'none'}",
            f"write its own label names, [{', '.join(theirs)}]",
        )
    return [ours.index(name) for name in theirs]
