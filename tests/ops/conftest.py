"""The small study, trained once up to its cells."""

from prepared import PD, prepared, project, server

__all__ = ["PD", "prepared", "project", "server"]
