"""Typed access to what a school keeps: one module a family of tables, queries beside functions."""
