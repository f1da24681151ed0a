"""What the schema promises, whoever writes to it."""
