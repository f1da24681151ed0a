"""When a delivery that failed is tried again. Pure."""

PAUSES = (5.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0, 86_400.0)  # seconds
SPREAD = 0.2  # each pause is longer or shorter by up to this share, so that retries spread out


def pause_after(attempts: int, chance: float) -> float | None:
    """Seconds to wait after that many failed attempts, 1 or more; None: enough was tried.

    chance: at random from 0 to 1.
    """
    if attempts > len(PAUSES):
        return None
    return PAUSES[attempts - 1] * (1 - SPREAD + 2 * SPREAD * chance)
