"""Hugging Face's side of the measurements on a GPU: its ``Trainer``, tuned by an expert."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    Trainer,
    TrainingArguments,
)

from benchmarks.pieces import LONGEST, MASK, VOCABULARY, blocks, sentences
from benchmarks.worker import Clock, Request, serve

_MASKED = 0.15

_AT_ONCE = 64
"""Items that are computed together: it scores all positions, and of more they fill a card."""


def finetune(request: Request, clock: Clock) -> dict[str, Any]:
    """Fine-tune on the invented sentences, similar lengths together."""
    found, offsets = sentences(request["steps"] * request["batch"])
    items = [
        {"input_ids": found[start:end].tolist(), "labels": number % 2}
        for number, (start, end) in enumerate(itertools.pairwise(offsets))
    ]
    _train(BertForSequenceClassification(_config(request)), items, _padded, request, clock)
    return {"pieces": int(offsets[-1])}


def mlm(request: Request, clock: Clock) -> dict[str, Any]:
    """Pre-train on the invented blocks; every position is scored."""
    found, offsets = blocks(request["steps"] * request["batch"])
    ids = torch.from_numpy(found.astype("int64")).view(-1, LONGEST)
    items = [{"input_ids": block} for block in ids]
    _train(BertForMaskedLM(_config(request)), items, _masked, request, clock)
    return {"pieces": int(offsets[-1])}


def _train(model: Any, items: Any, collate: Any, request: Request, clock: Clock) -> None:
    known = {f.name for f in dataclasses.fields(TrainingArguments)}
    strategy = {"train_sampling_strategy": "group_by_length"}
    grouped = strategy if "train_sampling_strategy" in known else {"group_by_length": True}
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=min(_AT_ONCE, request["batch"]),
            gradient_accumulation_steps=max(1, request["batch"] // _AT_ONCE),
            num_train_epochs=1,
            learning_rate=1e-4,
            warmup_steps=request["steps"] // 10,
            weight_decay=0.01,
            max_grad_norm=1.0,
            adam_epsilon=1e-6,
            bf16=True,
            optim="adamw_torch_fused",
            logging_strategy="no",
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
            **grouped,
        )
        trainer = Trainer(model, arguments, data_collator=collate, train_dataset=items)
        with clock:
            trainer.train()


def _config(request: Request) -> BertConfig:
    layers, hidden = map(int, request["arch"].split("/"))
    return BertConfig(
        vocab_size=VOCABULARY,
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden,
    )


def _padded(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    ids = [torch.tensor(item["input_ids"]) for item in items]
    padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
    labels = torch.tensor([item["labels"] for item in items])
    return {"input_ids": padded, "attention_mask": (padded != 0).long(), "labels": labels}


def _masked(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    ids = torch.stack([item["input_ids"] for item in items])
    chosen = torch.rand(ids.shape) < _MASKED
    labels = torch.where(chosen, ids, -100)
    return {"input_ids": torch.where(chosen, MASK, ids), "labels": labels}


WORKS = {"finetune": finetune, "mlm": mlm}

if __name__ == "__main__":
    serve(WORKS)
