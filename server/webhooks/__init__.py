"""Telling other programs, over HTTP, what happens in sessions."""
