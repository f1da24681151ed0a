"""Measures every named statement of the school on a seeded database, and looks at its plan."""
