"""The small study, trained once up to its cells."""

from prepared import prepared, project, server

__all__ = ["prepared", "project", "server"]
