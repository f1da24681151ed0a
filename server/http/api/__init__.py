"""REST under /api/v1: one more way into the sessions, for programs."""
