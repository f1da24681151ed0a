"""Unmodified clients of every kind against a real server."""
