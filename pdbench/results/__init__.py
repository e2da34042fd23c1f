"""Records of runs: written by the job that ran them, read back and collected."""

from pdbench.results.record import SCHEMA_VERSION, RunRecord, read_record, write_record

__all__ = ["SCHEMA_VERSION", "RunRecord", "read_record", "write_record"]
