"""Dramatiq and nothing else."""
