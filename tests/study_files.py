"""A small study file of which tests change some keys."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

SMALL: dict[str, Any] = {
    "name": "small",
    "title": "A small study",
    "scale": "demo",
    "vocabulary": {"source": "embedded", "name": "bert-base-uncased"},
    "architectures": {
        "grid": {"layers": [1, 2], "hidden": [64, 128]},
        "named": {"Mini": "1/64", "Base": "2/128"},
    },
    "tasks": {
        "sentiment": {
            "source": "embedded",
            "name": "rotten-tomatoes",
            "labels": ["negative", "positive"],
            "metrics": ["accuracy"],
            "train": {"value": 100, "origin": "assumed", "note": "few"},
            "teacher": {"source": "embedded", "name": "all-minilm-l6-v2"},
        }
    },
    "texts": {
        "films": {"source": "embedded", "name": "imdb-sentences", "size": 1000},
        "reviews": {"source": "embedded", "name": "imdb-reviews", "size": 500},
    },
    "transfer_sets": {
        "films-300": {"text": "films", "size": 300},
        "films-1k": {"text": "films", "size": 1000},
    },
    "corpora": {"general": [{"text": "reviews", "tokens": 50000}]},
    "training": {
        "pretrain": {},
        "distill": {"epochs": 2, "learning_rate": [1e-3, 3e-3]},
        "finetune": {"epochs": 4, "learning_rate": [1e-3]},
    },
    "artefacts": {
        "figure6": {
            "seeds": 2,
            "cells": [
                {
                    "task": "sentiment",
                    "method": ["pd", "pf", "d", "basic"],
                    "architecture": "named",
                    "transfer": "films-300",
                    "corpus": "general",
                }
            ],
        },
        "figure8": {
            "seeds": 3,
            "cells": [
                {
                    "task": "sentiment",
                    "method": "d",
                    "architecture": "Mini",
                    "transfer": ["films-300", "films-1k"],
                }
            ],
        },
        "sizes": {},
    },
}


def write_study_file(
    path: Path, changes: dict[str, Any] | None = None, without: str | None = None
) -> Path:
    """Write the small study to ``path``, with some dotted keys changed and one left out."""
    raw = copy.deepcopy(SMALL)
    for key, value in (changes or {}).items():
        block, last = _find(raw, key)
        block[last] = value
    if without:
        block, last = _find(raw, without)
        del block[last]
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return path


def _find(raw: Any, key: str) -> tuple[Any, Any]:
    """Return the mapping or list that holds a dotted key, and its last part."""
    *parts, last = (int(part) if part.isdigit() else part for part in key.split("."))
    for part in parts:
        raw = raw[part]
    return raw, last
