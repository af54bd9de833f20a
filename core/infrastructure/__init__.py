"""One adapter per file, named technology_port."""
