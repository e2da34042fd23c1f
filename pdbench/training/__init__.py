"""One loop for every stage: pre-training, fine-tuning and distillation."""

from pdbench.training.device import Device, choose_device, prepare_process
from pdbench.training.distributed import ALONE, Ranks
from pdbench.training.loop import Optimisation, Progress, optimise
from pdbench.training.objectives import cross_entropy, soft_cross_entropy, squared_error
from pdbench.training.predict import predict, predict_ranges
from pdbench.training.state import Keeper
from pdbench.training.stopwatch import Stopwatch

__all__ = [
    "ALONE",
    "Device",
    "Keeper",
    "Optimisation",
    "Progress",
    "Ranks",
    "Stopwatch",
    "choose_device",
    "cross_entropy",
    "optimise",
    "predict",
    "predict_ranges",
    "prepare_process",
    "soft_cross_entropy",
    "squared_error",
]
