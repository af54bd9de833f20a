"""The house is in order: lint, types, imports, deploy files and documents are true."""
