"""Benchmarks, one question a file; `python -m benchmarks` answers most of them."""
