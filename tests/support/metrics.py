"""What the metrics of this process say."""

from prometheus_client import REGISTRY


def metric(name: str, /, **labels: str) -> float:
    """A number of /metrics; 0 while there is none."""
    return REGISTRY.get_sample_value(name, labels) or 0.0
