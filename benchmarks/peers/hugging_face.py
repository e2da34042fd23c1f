"""Hugging Face's side: its ``Trainer``, and its BERT's bare forward pass."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    DataCollatorForLanguageModeling,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    default_data_collator,
)

from benchmarks.peers import common
from benchmarks.worker import Clock, Request, serve

LONGEST = 128
"""Word pieces that run_glue.py pads every sentence to."""

FORWARD_BATCH = 32

TUNED: dict[str, Any] = {
    "bf16": True,
    "optim": "adamw_torch_fused",
    "train_sampling_strategy": "group_by_length",
    "logging_strategy": "no",
    "logging_nan_inf_filter": False,
}
"""What an expert would change: no padding that buckets save, and nothing extra in a step."""


def finetune(request: Request, clock: Clock) -> dict[str, Any]:
    """Fine-tune with the Trainer, in one of three ways.

    defaults: batches padded to their longest, everything else as the Trainer has it.
    tuned: TUNED, and the items in memory instead of an Arrow table.
    padded: every sentence padded to 128 beforehand, as run_glue.py does by default.
    """
    items = common.items(common.TASK / "train", request["items"])
    model = common.classifier(common.initial(request))
    tokenizer = common.tokenizer()
    variant = request["variant"]
    collator: Any = DataCollatorWithPadding(tokenizer)
    if variant == "padded":
        items = [common.padded(item, LONGEST) for item in items]
        collator = default_data_collator
    with tempfile.TemporaryDirectory() as folder, clock:
        trainer = Trainer(
            model,
            _arguments(request, folder, **(TUNED if variant == "tuned" else {})),
            data_collator=collator,
            train_dataset=items if variant == "tuned" else Dataset.from_list(items),
        )
        trainer.train()
    return {"accuracy": _accuracy(trainer)} if request.get("score") else {}


def mlm(request: Request, clock: Clock) -> dict[str, Any]:
    """Pre-train by masked LM on blocks of 128 pieces; every position is scored."""
    blocks = common.items(common.BLOCKS, request["steps"] * request["batch"])
    for block in blocks:
        block["special_tokens_mask"] = [1, *[0] * (LONGEST - 2), 1]
    layers, hidden = map(int, request["arch"].split("/"))
    model = BertForMaskedLM(
        BertConfig(
            num_hidden_layers=layers,
            hidden_size=hidden,
            num_attention_heads=hidden // 64,
            intermediate_size=4 * hidden,
        )
    )
    collator = DataCollatorForLanguageModeling(common.tokenizer(), mlm_probability=0.15)
    tuned = {"bf16": True} if request["variant"] == "tuned" else {}
    with tempfile.TemporaryDirectory() as folder, clock:
        trainer = Trainer(
            model,
            _arguments(request, folder, max_steps=request["steps"], **tuned),
            data_collator=collator,
            train_dataset=Dataset.from_list(blocks),
        )
        trainer.train()
    return {"steps": trainer.state.global_step}


def forward(request: Request, clock: Clock) -> dict[str, Any]:
    """Classify stored sentences: nothing but the forward passes over ready batches."""
    items = sorted(
        common.items(common.SENTENCES, request["items"]), key=lambda i: len(i["input_ids"])
    )
    collate = DataCollatorWithPadding(common.tokenizer())
    batches = [
        collate(items[start : start + FORWARD_BATCH])
        for start in range(0, len(items), FORWARD_BATCH)
    ]
    model = BertForSequenceClassification.from_pretrained(
        common.TEACHER, attn_implementation=request["variant"]
    )
    model.eval()  # type: ignore[no-untyped-call]
    with clock, torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for batch in batches:
            model(**batch)
    return {}


def _arguments(request: Request, folder: str, **changed: Any) -> TrainingArguments:
    """Training arguments with the other side's optimiser; nothing is saved or reported."""
    return TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=request["batch"],
        num_train_epochs=request["epochs"],
        learning_rate=request["rate"],
        warmup_steps=0.1,
        weight_decay=0.01,
        max_grad_norm=1.0,
        adam_epsilon=1e-6,
        seed=request["seed"],
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        **changed,
    )


def _accuracy(trainer: Trainer) -> float:
    test = common.items(common.TASK / "test", None)
    labels = np.array([item["labels"] for item in test])
    logits = np.asarray(trainer.predict(Dataset.from_list(test)).predictions)
    return float((logits.argmax(axis=1) == labels).mean())


WORKS = {"finetune": finetune, "forward": forward, "mlm": mlm}

if __name__ == "__main__":
    common.use_threads()
    serve(WORKS)
