"""What the use cases need from the outside, one promise per file."""
