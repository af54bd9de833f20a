"""Benchmarks, one file per question; each prints what it measured side by side in one run."""
