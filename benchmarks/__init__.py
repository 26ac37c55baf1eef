"""Benchmarks, one question a file; `python -m benchmarks` answers them all."""
