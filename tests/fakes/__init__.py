"""One stand-in per port: plain memory, nothing hidden."""
