"""Data: sources, tasks, transfer sets and their similarity, tokens on disk, metrics.

Nothing is imported here: training jobs read tokens without paying for pandas or datasets.
"""
