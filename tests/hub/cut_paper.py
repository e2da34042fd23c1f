"""The paper's study, cut down: all of its sources, tasks, methods and artefacts, for two cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pdbench.study import ROOT

LAYERS, WIDTHS = (2, 4), (128,)
_NAMED = {"Tiny": "2/128", "Small": "4/128"}
_SIZES = {"Mini": "Tiny", "Medium": "Small", "Base": "Small", "6/768": "Tiny"}
"""What stands in the place of sizes that are too large."""

_SET = {
    "train": 300,
    "dev": 40,
    "test": 60,
    "max_length": 24,
    "tokens": 3000,
    "batch_tokens": 512,
    "least": 100,
    "least_steps": 8,
    "seeds": 1,
}
"""What is written wherever one of these keys stands."""

_TEACHER = {"epochs": 4, "learning_rate": 1e-3, "margin": 0.02}
_WITHOUT = {"qqp", "qnli", "wnli", "rte-by-base"}
"""Tasks that are left out: others of their kind stay."""

_STAGE = {"epochs": 1, "batch_size": [16], "learning_rate": [1e-3]}


def write_cut_paper(path: Path) -> Path:
    """Write the study file, and return it."""
    raw = yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8"))
    cut = _cut(raw) | {"name": "cut-paper", "title": "The paper, cut down"}
    cut["architectures"] = {"grid": {"layers": [*LAYERS], "hidden": [*WIDTHS]}, "named": _NAMED}
    for stage in ("distill", "finetune"):
        cut["training"][stage] |= _STAGE
    for task in _WITHOUT:
        del cut["tasks"][task]
    del cut["artefacts"]["table3"]["stands_for"]["RTE"]
    for transfer in cut["transfer_sets"].values():
        transfer["size"] = _items(transfer["size"])
    for text in cut["texts"].values():
        text["size"] = max(t["size"] for t in cut["transfer_sets"].values())
    path.write_text(yaml.safe_dump(cut, sort_keys=False), encoding="utf-8")
    return path


def _items(size: Any) -> int:
    """The paper's sizes of a transfer set stay different, and in order."""
    return 40 + 20 * round((size["value"] / 1e6) ** 0.5 * 2)


def _cut(raw: Any, key: str = "") -> Any:
    if isinstance(raw, list) and key in ("architecture", "task"):
        return [one for one in dict.fromkeys(_cut(v, key) for v in raw) if one not in _WITHOUT]
    if isinstance(raw, list):
        return [_cut(value, key) for value in raw]
    if isinstance(raw, str):
        return _SIZES.get(raw, raw) if key == "architecture" else raw
    if not isinstance(raw, dict):
        return raw
    if key == "teacher":
        return {**raw, **_TEACHER}
    return {name: _SET[name] if name in _SET else _cut(value, name) for name, value in raw.items()}
