"""What a job's own machine was."""

from __future__ import annotations

import functools
import os
import platform
import resource
import socket
import subprocess
from pathlib import Path

import torch

from pdbench import __version__
from pdbench.engine import Device, Stopwatch
from pdbench.engine.distributed import processes
from pdbench.engine.state import now
from pdbench.jobs.record import Environment
from pdbench.study import ROOT


def environment(watch: Stopwatch, device: Device) -> Environment:
    """Describe the machine, and the time that the run of a stopwatch took."""
    return Environment(
        host=socket.gethostname(),
        device=device_name(device.torch),
        threads=torch.get_num_threads(),
        precision=device.precision,
        python=platform.python_version(),
        platform=platform.platform(),
        pdbench=__version__,
        torch=torch.__version__,
        commit=commit(),
        slurm_job=os.environ.get("SLURM_JOB_ID"),
        started=watch.started,
        finished=now(),
        seconds=round(watch.seconds, 3),
        resumed=watch.resumed,
        processes=processes(),
        peak_memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    )


@functools.cache
def commit() -> str:
    """The commit of the checkout that pdbench runs from."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head + ("+changes" if changed else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@functools.cache
def device_name(device: torch.device) -> str:
    """The marketing name of a GPU, or of the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
