"""torchdistill's side: its GLUE example's training loop, the teacher in every step.

The example (examples/hf_transformers/general_language_understanding.py of version 1.1.5, with
configs/sample/glue/sst2/kd) pads each batch to its longest sentence, trains with torch's
AdamW and a linear schedule under accelerate, and reads the loss of every step. Its evaluation
and checkpoint after each epoch are left out, and its loss is ours: soft cross-entropy at
temperature 1 without hard labels. Two things are mended so that it runs today:

- torchdistill imports torchvision, whose wheel on the package index fails beside a CPU build
  of torch. Nothing of it is used here, so empty modules stand in for it while torchdistill is
  imported; transformers, which would find them, is imported first.
- torchdistill reads ``AcceleratorState.use_fp16``, which accelerate no longer has.
"""

from __future__ import annotations

import sys
import time
import types
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from transformers import DataCollatorWithPadding, get_linear_schedule_with_warmup

from benchmarks.peers import common
from benchmarks.worker import Clock, Request, serve

TORCHVISION = (
    "torchvision",
    "torchvision.datasets",
    "torchvision.models",
    "torchvision.models.densenet",
    "torchvision.models.detection",
    "torchvision.models.resnet",
    "torchvision.models.segmentation",
)
NOT_DECAYED = ("bias", "LayerNorm.weight")
LOG_EVERY = 500


class _Empty(types.ModuleType):
    """A module with a class of whatever name is asked for."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _stand_in_for_torchvision() -> None:
    for name in TORCHVISION:
        module = sys.modules[name] = _Empty(name)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


_stand_in_for_torchvision()
AcceleratorState.use_fp16 = property(lambda state: state.mixed_precision == "fp16")

from torchdistill.core.distillation import get_distillation_box  # noqa: E402
from torchdistill.core.interfaces.registry import register_forward_proc_func  # noqa: E402
from torchdistill.datasets.registry import register_collate_func  # noqa: E402
from torchdistill.misc.log import MetricLogger, SmoothedValue  # noqa: E402
from torchdistill.optim.registry import register_optimizer, register_scheduler  # noqa: E402


def forward_batch_as_kwargs(model: Any, sample_batch: Any, *_: Any, **__: Any) -> Any:
    """Call a transformers model as the example does."""
    return model(**sample_batch)


def optimizer_no_decay(module: Any, weight_decay: float, **settings: Any) -> torch.optim.AdamW:
    """Make torch's AdamW; biases and norms are not decayed."""
    groups: dict[bool, list[Any]] = {True: [], False: []}
    for name, parameter in module.named_parameters():
        groups[any(part in name for part in NOT_DECAYED)].append(parameter)
    return torch.optim.AdamW(
        [
            {"params": groups[False], "weight_decay": weight_decay},
            {"params": groups[True], "weight_decay": 0.0},
        ],
        **settings,
    )


register_forward_proc_func(forward_batch_as_kwargs)
register_optimizer(optimizer_no_decay)
register_scheduler(get_linear_schedule_with_warmup)


def distill_grid(request: Request, clock: Clock) -> dict[str, Any]:
    """Train the students one after the other, the teacher in every step."""
    items = common.items(common.SENTENCES, request["items"])
    register_collate_func(DataCollatorWithPadding(common.tokenizer()))
    accelerator = Accelerator()
    for arch in request["students"]:
        for seed in range(request["seeds"]):
            teacher = common.classifier(common.TEACHER)
            student = common.classifier(common.initial({**request, "arch": arch, "seed": seed}))
            torch.manual_seed(seed)
            with clock:
                box = get_distillation_box(
                    teacher,
                    student,
                    {"train": items},
                    _configuration(request),
                    accelerator.device,
                    [accelerator.device.index],
                    distributed=False,
                    lr_factor=1,
                    accelerator=accelerator,
                )
                for epoch in range(box.num_epochs):
                    box.pre_epoch_process(epoch=epoch)
                    _train_one_epoch(box, epoch)
                    box.post_epoch_process()
            accelerator.free_memory()
    return {}


def _train_one_epoch(box: Any, epoch: int) -> None:
    logger = MetricLogger(delimiter="  ")
    logger.add_meter("lr", SmoothedValue(window_size=1, fmt="{value}"))
    logger.add_meter("sample/s", SmoothedValue(window_size=10, fmt="{value}"))
    for batch in logger.log_every(box.train_data_loader, LOG_EVERY, f"Epoch: [{epoch}]"):
        started = time.time()
        loss = box.forward_process(batch, targets=None, supp_dict=None)
        box.post_forward_process(loss=loss)
        logger.update(loss=loss.item(), lr=box.optimizer.param_groups[0]["lr"])
        logger.meters["sample/s"].update(len(batch) / (time.time() - started))


def _configuration(request: Request) -> dict[str, Any]:
    """The example's configuration as a mapping, with the other side's numbers."""
    batches = -(-request["items"] // request["batch"])
    steps = batches * request["epochs"]
    model = {"forward_proc": "forward_batch_as_kwargs"}
    logits = {"module_path": "classifier", "module_io": "output"}
    return {
        "num_epochs": request["epochs"],
        "train_data_loader": {
            "dataset_id": "train",
            "sampler": {"class_or_func": torch.utils.data.RandomSampler},
            "collate_fn": "DataCollatorWithPadding",
            "requires_supp": False,
            "kwargs": {"batch_size": request["batch"], "num_workers": 0},
        },
        "teacher": {
            **model,
            "requires_grad": False,
            "forward_hook": {"input": [], "output": ["classifier"]},
        },
        "student": {
            **model,
            "requires_grad": True,
            "forward_hook": {"input": [], "output": ["classifier"]},
        },
        "optimizer": {
            "key": "optimizer_no_decay",
            "filters_params": False,
            "max_grad_norm": 1.0,
            "grad_accum_step": 1,
            "kwargs": {"lr": request["rate"], "weight_decay": 0.01, "eps": 1e-6},
        },
        "scheduler": {
            "key": "get_linear_schedule_with_warmup",
            "scheduling_step": 1,
            "kwargs": {"num_warmup_steps": int(0.1 * steps), "num_training_steps": steps},
        },
        "criterion": {
            "key": "WeightedSumLoss",
            "kwargs": {
                "sub_terms": {
                    "kd": {
                        "weight": 1.0,
                        "criterion": {
                            "key": "KDLoss",
                            "kwargs": {
                                **{f"student_{k}": v for k, v in logits.items()},
                                **{f"teacher_{k}": v for k, v in logits.items()},
                                "temperature": 1.0,
                                "alpha": None,
                                "beta": 1.0,
                                "reduction": "batchmean",
                            },
                        },
                    }
                }
            },
        },
    }


if __name__ == "__main__":
    common.use_threads()
    serve({"distill_grid": distill_grid})
