"""The benchmark: Lyceum and servers of its kind, side by side, judged by what arrives."""
