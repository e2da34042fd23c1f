"""BERT at any size: built, initialised, measured, and kept as Hugging Face checkpoints.

The encoder is our own module, equal to transformers' BERT within rounding (a test holds it
to that) but light enough that a training job starts without importing transformers.
"""

from pdbench.models.bert import Bert, BertShape, Classifier, MaskedLM, SpanReader
from pdbench.models.checkpoints import read_checkpoint, write_checkpoint
from pdbench.models.initialise import initial_classifier, random_model

__all__ = [
    "Bert",
    "BertShape",
    "Classifier",
    "MaskedLM",
    "SpanReader",
    "initial_classifier",
    "random_model",
    "read_checkpoint",
    "write_checkpoint",
]
