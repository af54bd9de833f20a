"""Pure numerics: matrices, neighbours, algorithms; no I/O, no clock, no logs."""
