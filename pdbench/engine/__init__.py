"""BERT at any size, and the one loop that trains it.

The encoder is our own module, equal to transformers' BERT within rounding (a test holds it
to that) but light enough that a training job starts without importing transformers.
"""

from pdbench.engine.bert import Bert, BertShape, Classifier, MaskedLM
from pdbench.engine.checkpoints import Checkpoint, write_checkpoint
from pdbench.engine.device import (
    Device,
    choose_device,
    predict,
    predict_ranges,
    prepare_process,
)
from pdbench.engine.distributed import ALONE, Ranks
from pdbench.engine.initialise import initial_classifier, random_classifier, random_model
from pdbench.engine.loop import Optimisation, Progress, optimise
from pdbench.engine.state import Keeper, Stopwatch

__all__ = [
    "ALONE",
    "Bert",
    "BertShape",
    "Checkpoint",
    "Classifier",
    "Device",
    "Keeper",
    "MaskedLM",
    "Optimisation",
    "Progress",
    "Ranks",
    "Stopwatch",
    "choose_device",
    "initial_classifier",
    "optimise",
    "predict",
    "predict_ranges",
    "prepare_process",
    "random_classifier",
    "random_model",
    "write_checkpoint",
]
