"""Pre-trained Distillation (Turc et al., 2019, Algorithm 1) from text to a checkpoint.

Real text and real weights come from pinned archives of the package index, below results/archives:

    python examples/pre_trained_distillation.py compact-bert

It takes about two minutes on one core and prints what each step reaches on the test set. The
folder is a model that transformers loads:

    AutoModelForSequenceClassification.from_pretrained("compact-bert")

A second argument makes everything smaller: 0.02 of the data is enough to see that it runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import pdbench

LABELS = ("negative", "positive")
SIZE = "2/64"  # two layers of width 64


def main(folder: Path, scale: float = 1.0) -> float:
    """Run the algorithm and write its student; return the student's test accuracy."""

    def some(number: int) -> int:
        return max(32, round(scale * number))

    # The data: D_LM to pre-train on, D_L with labels, and D_T, of the same domain without.
    vocabulary = pdbench.embedded_vocabulary()
    splits = pdbench.labelled_data("rotten-tomatoes", LABELS)
    train, test = (splits[name].shuffle(0) for name in ("train", "test"))
    labelled, tested = train.select(range(some(1000))), test.select(range(some(1500)))
    d_l, d_test, d_t, d_lm = (
        pdbench.tokens_of(texts, vocabulary)
        for texts in (
            labelled["text"][:],
            tested["text"][:],
            pdbench.unlabelled_text("rotten-tomatoes-unlabelled")[: some(4000)],
            pdbench.unlabelled_text("imdb-reviews")[: some(8000)],
        )
    )
    truth, true = np.array(labelled["label"][:]), np.array(tested["label"][:])

    # 1. Pre-train a compact student on D_LM by masked LM.
    pretrained = pdbench.pretrain(d_lm, SIZE, vocabulary, pieces=some(1_500_000))

    # 2. Fine-tune a large pre-trained teacher on D_L, and let it label D_T once.
    teacher = pdbench.embedded_teacher("all-minilm-l6-v2", len(LABELS))
    settings = pdbench.StageSettings(epochs=2, learning_rate=(1e-4,), batch_size=(16,))
    pdbench.finetune(teacher, d_l, truth, settings)
    print(f"teacher 6/384      {pdbench.accuracy(teacher, d_test, true):.3f}")
    soft = pdbench.soft_labels(teacher, d_t)

    # 3. Distil the teacher into the student on D_T: soft cross-entropy and nothing else.
    settings = pdbench.StageSettings(epochs=4, learning_rate=(1e-3,))
    student = pdbench.student_of(pretrained, len(LABELS))
    pdbench.distill(student, d_t, soft, settings)
    reached = pdbench.accuracy(student, d_test, true)
    print(f"student {SIZE}, PD   {reached:.3f}")

    # For comparison: the same student, fine-tuned on D_L alone.
    finetuned = pdbench.student_of(pretrained, len(LABELS))
    pdbench.finetune(finetuned, d_l, truth, settings)
    print(f"student {SIZE}, PF   {pdbench.accuracy(finetuned, d_test, true):.3f}")

    pdbench.write_model(folder, student, vocabulary, LABELS)
    return reached


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
