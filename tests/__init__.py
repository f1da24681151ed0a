"""Lyceum's tests: real Postgres, real clients, real browsers."""
