"""Fuzzing of the readers of peers' bytes: `python -m tests.fuzz --seconds 60`."""
