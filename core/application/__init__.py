"""The use cases, and the ports they speak through."""
