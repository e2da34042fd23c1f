"""BERT at any size, and the one loop that trains it.

The encoder is our own module, equal to transformers' BERT within rounding (a test holds it
to that) but light enough that a training job starts without importing transformers.
"""

from pdbench.engine.bert import Bert, BertShape, Classifier, MaskedLM
from pdbench.engine.checkpoints import write_checkpoint
from pdbench.engine.device import choose_device, prepare_process
from pdbench.engine.initialise import random_classifier, random_model
from pdbench.engine.loop import Progress
from pdbench.engine.state import Keeper

__all__ = [
    "Bert",
    "BertShape",
    "Classifier",
    "Keeper",
    "MaskedLM",
    "Progress",
    "choose_device",
    "prepare_process",
    "random_classifier",
    "random_model",
    "write_checkpoint",
]
