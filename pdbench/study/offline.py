"""The folder that `pdbench fetch` fills, and how jobs without internet read from it alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pdbench.core.errors import UsageError

VARIABLE = "PDBENCH_DATA"  # names the folder; `--config data=DIR` sets it for all jobs
MANIFEST = "manifest.json"
ARCHIVES = "archives"
CACHES = "huggingface"  # of the hub's libraries
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def data_folder(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of fetched data, if one is named; UsageError if nothing was fetched into it."""
    named = environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named)
    if not (folder / MANIFEST).is_file():
        what = f"{VARIABLE}={named}: no {MANIFEST} there"
        raise UsageError(what, f"run pdbench fetch STUDY --to {named} where there is internet")
    return folder


def hub_caches(folder: Path) -> dict[str, str]:
    """The variables that put the caches of the hub's libraries below a folder."""
    home = folder.resolve() / CACHES
    caches = {"HF_HOME": home, "HF_HUB_CACHE": home / "hub", "HF_DATASETS_CACHE": home / "datasets"}
    return {name: str(cache) for name, cache in caches.items()}


def caches_in_use(environ: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Where the hub's libraries keep what they fetch, by the variables that say so."""
    default = os.path.expanduser("~/.cache/huggingface")  # noqa: PTH111 - pathlib needs a home
    home = Path(environ.get("HF_HOME", default))
    found = {"HF_HUB_CACHE": home / "hub", "HF_DATASETS_CACHE": home / "datasets"}
    return {"HF_HOME": home} | {name: Path(environ.get(name, own)) for name, own in found.items()}


def go_offline(environ: dict[str, str] | os._Environ[str] = os.environ) -> None:
    """Read from the fetched folder alone, if one is named: before the hub's libraries load."""
    folder = data_folder(environ)
    if folder is not None:
        environ.update({**hub_caches(folder), **dict.fromkeys(_OFFLINE, "1")})
