"""The REST API, as programs and attackers use it."""
