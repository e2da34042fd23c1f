"""A fine-tuning job as tutorials write it, which leaves when its first update is made.

Its text is the same as the other side's. ``evaluate`` is imported, but no metric is loaded:
that would need the network.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import evaluate
import pyarrow.parquet as pq
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from benchmarks.peers import common

FOLDER = common.RESULTS / "initial/2-128-seed0"
TEXT = common.RESULTS / "tasks/first-step/train/text.parquet"


class Leave(TrainerCallback):
    """Ends the process without another second of work."""

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Leave."""
        os._exit(0)


def main() -> None:
    """Tokenise, load the model and train until the first update."""
    assert evaluate.__version__
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    data = Dataset(pq.read_table(TEXT)).map(
        lambda rows: tokenizer(rows["text"], truncation=True, max_length=128), batched=True
    )
    model = AutoModelForSequenceClassification.from_pretrained(FOLDER)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=32,
            num_train_epochs=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = Trainer(
            model,
            arguments,
            train_dataset=data,
            data_collator=DataCollatorWithPadding(tokenizer),
            callbacks=[Leave()],
        )
        trainer.train()


if __name__ == "__main__":
    common.use_threads()
    main()
