"""How Hypothesis works here: a slow machine is no failure, and a failure can be replayed."""

from hypothesis import settings

settings.register_profile("lyceum", deadline=None, print_blob=True)
settings.load_profile("lyceum")
