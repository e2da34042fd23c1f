"""Side-by-side measurements of pdbench and its peers: one command for each kind of work.

``python -m benchmarks.finetune --quick`` and so on; README.md says what each compares.
"""
