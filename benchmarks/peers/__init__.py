"""The other sides of the comparisons, run by the Python of ``.venv-peers``.

Nothing here imports pdbench, and nothing elsewhere imports these modules.
"""
