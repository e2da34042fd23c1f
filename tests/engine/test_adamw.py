"""Our AdamW is torch's."""

import copy
import subprocess
import sys

import torch

from pdbench.engine.loop import _BETAS, _EPSILON, AdamW


def test_updates_are_those_of_torch_optim() -> None:
    """Ten steps with clipping, and decay on matrices only, end at the same weights."""
    ours = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.LayerNorm(4))
    theirs = copy.deepcopy(ours)
    groups = [
        {"params": [theirs[0].weight], "weight_decay": 0.1},
        {"params": [theirs[0].bias, *theirs[1].parameters()], "weight_decay": 0.0},
    ]
    reference = torch.optim.AdamW(groups, betas=_BETAS, eps=_EPSILON)
    optimiser = AdamW(ours.parameters(), 0.1)

    for step in range(10):
        rate = 0.1 / (step + 1)
        inputs = torch.randn(8, 5)
        for model in (ours, theirs):
            model(inputs).square().sum().backward()
        optimiser.step(rate, clip=1.0)
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        reference.zero_grad()

    for mine, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, expected)


def test_a_training_job_starts_without_what_it_does_not_need() -> None:
    """torch._dynamo, sympy, transformers, datasets, evaluate and pandas each cost a job seconds."""
    code = (
        "import sys, torch; from pdbench.jobs import pretraining, students, teachers; "
        "from pdbench.engine.loop import AdamW; "
        "from pdbench.engine import Bert, BertShape, MaskedLM; "
        "from pdbench.engine.initialise import *; "
        "m = random_classifier(BertShape(1, 8, 1, 8, 9), 2, torch.Generator(), 0.1); "
        "random_model(MaskedLM(Bert(BertShape(1, 8, 1, 8, 9))), torch.Generator(), 0.1); "
        "m(torch.ones(2, 3, dtype=torch.int64), None, None).sum().backward(); "
        "AdamW(m.parameters(), 0.1).step(0.1, 1.0); "
        "print([m for m in ('torch._dynamo', 'sympy', 'transformers', 'datasets', 'evaluate', "
        "'pandas') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
