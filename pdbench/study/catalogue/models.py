"""The files of a folder that holds a model: what is read of it, and so decides what it makes."""

from __future__ import annotations

CONFIGURATION_FILES = ("config.json", "bert_config.json")
"""The configuration; the first releases called it otherwise."""

WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
"""The weights; the second is read where there is no other: as data, and what a pickle may hold
is never run."""

TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")
