"""TextBrewer's side: its SST-2 and MNLI examples' training, the teacher in every step.

The examples (notebook_examples/sst2.ipynb and mnli_example of version 0.2.1) pad every
sentence to 128 beforehand and hand a GeneralDistiller a shuffling DataLoader, AdamW and a
linear schedule; so does this, without matches of hidden states. The loss is ours: soft
cross-entropy at temperature 1 without hard labels. A checkpoint is written at the end only.
"""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from textbrewer import DistillationConfig, GeneralDistiller, TrainingConfig
from torch.utils.data import DataLoader
from transformers import (
    DataCollatorWithPadding,
    default_data_collator,
    get_linear_schedule_with_warmup,
)

from benchmarks.peers import common
from benchmarks.worker import Clock, Request, serve

LONGEST = 128
NOT_DECAYED = ("bias", "LayerNorm.weight")


def distill_grid(request: Request, clock: Clock) -> dict[str, Any]:
    """Train the students one after the other, the teacher in every step.

    The variant "padded" pads to 128 as the examples do, "longest" to a batch's longest.
    """
    for arch in request["students"]:
        for seed in range(request["seeds"]):
            teacher = common.classifier(common.TEACHER)
            student = common.classifier(common.initial({**request, "arch": arch, "seed": seed}))
            torch.manual_seed(seed)
            loader = _loader(request)
            with tempfile.TemporaryDirectory() as folder, clock:
                _train(teacher, student, loader, request, folder)
    return {}


def _loader(request: Request) -> Any:
    items: Any = common.items(common.SENTENCES, request["items"])
    pad = DataCollatorWithPadding(common.tokenizer())
    collate: Any = default_data_collator
    if request["variant"] == "padded":
        items = [common.padded(item, LONGEST) for item in items]
    else:
        collate = lambda batch: dict(pad(batch))  # noqa: E731 - it unpacks only plain dicts
    return DataLoader(items, request["batch"], shuffle=True, collate_fn=collate)


def _train(teacher: Any, student: Any, loader: Any, request: Request, folder: str) -> None:
    steps = len(loader) * request["epochs"]
    optimizer = torch.optim.AdamW(_groups(student), lr=request["rate"], weight_decay=0.01, eps=1e-6)
    distiller = GeneralDistiller(
        train_config=TrainingConfig(
            device="cpu", output_dir=folder, ckpt_epoch_frequency=request["epochs"]
        ),
        distill_config=DistillationConfig(temperature=1),
        model_T=teacher,
        model_S=student,
        adaptor_T=_logits,
        adaptor_S=_logits,
    )
    schedule = {"num_warmup_steps": int(0.1 * steps), "num_training_steps": steps}
    with distiller:
        distiller.train(
            optimizer,
            loader,
            request["epochs"],
            scheduler_class=get_linear_schedule_with_warmup,
            scheduler_args=schedule,
            max_grad_norm=1.0,
            callback=None,
        )


def _groups(student: Any) -> list[dict[str, Any]]:
    named = list(student.named_parameters())
    kept = [p for n, p in named if any(part in n for part in NOT_DECAYED)]
    decayed = [p for n, p in named if not any(part in n for part in NOT_DECAYED)]
    return [{"params": decayed}, {"params": kept, "weight_decay": 0.0}]


def _logits(_: Any, outputs: Any) -> dict[str, Any]:
    return {"logits": outputs.logits}


if __name__ == "__main__":
    common.use_threads()
    serve({"distill_grid": distill_grid})
