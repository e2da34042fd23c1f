#!/usr/bin/env bash
# Runs once, from the root of the checkout, in the environment that pdbench.yaml made.
set -euo pipefail
python -m pip install --constraint constraints.txt --editable .
