"""The rules of a learning platform. Pure."""
