"""Fills an empty database with a school that looks lived in, the same from the same seed.

Rows are made by Postgres itself, in `insert … select`, from hashes of the seed and of what a row is
about: no row is made from one before, so batches may have any size and any order. That is several
times as fast as rows that a client makes and copies in (docs/performance.md).
"""
