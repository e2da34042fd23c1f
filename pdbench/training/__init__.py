"""One loop for every stage: pre-training, fine-tuning and distillation."""

from pdbench.training.device import Device, choose_device
from pdbench.training.loop import Optimisation, Progress, optimise
from pdbench.training.objectives import cross_entropy, soft_cross_entropy
from pdbench.training.predict import predict

__all__ = [
    "Device",
    "Optimisation",
    "Progress",
    "choose_device",
    "cross_entropy",
    "optimise",
    "predict",
    "soft_cross_entropy",
]
