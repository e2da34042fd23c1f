"""What is known beforehand, each fact once: metrics, GLUE's tasks, archives, files of models.

Nothing here imports numpy, and everything answers at once: every cluster job reads it.
"""
