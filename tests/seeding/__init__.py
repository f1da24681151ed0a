"""The made-up school, and what is measured on it."""
