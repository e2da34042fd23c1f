"""Objectives that methods name: the paper's two, masked LM, and one file for each other."""
