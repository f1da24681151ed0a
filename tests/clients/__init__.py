"""Real, unmodified Yjs clients in one Node process, driven from tests."""
