"""`python -m pdbench`, which torchrun needs: the same as `pdbench`."""

from pdbench.cli import main

main()
