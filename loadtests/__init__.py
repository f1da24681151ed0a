"""Load on real servers, to learn what they hold."""
