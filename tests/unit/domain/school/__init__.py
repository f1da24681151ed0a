"""Part of Lyceum's tests."""
