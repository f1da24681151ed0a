"""The rules of a school: points, levels, streaks, achievements, ranks. No input or output."""
