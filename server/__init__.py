"""Lyceum: a real-time collaboration server for places where people learn to write code."""
