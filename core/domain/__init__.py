"""The words of the service: entities, ids and errors, in plain Python."""
