"""What is known beforehand, each fact once: metrics, GLUE's tasks, archives, files of models.

Nothing here imports numpy, and everything answers at once: every cluster job reads it.
"""

# What is read of a folder that holds a model, and so decides what it makes. The first releases
# called the configuration otherwise. The second weights are read where there are no other: as
# data, and what a pickle may hold is never run.
CONFIGURATION_FILES = ("config.json", "bert_config.json")
WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")
