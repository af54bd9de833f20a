"""How bulk work slows down while people wait, and speeds up again."""

from core.domain.levels import QueueLevel

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 1.0
PAUSE_PER_WAITING = 10
"""A chunk keeps the machine busy for some tenths of a second: whoever has waited as long has met several."""


def next_pause(pause_seconds: float, interactive: QueueLevel) -> float:
    """Before the next chunk: twice as long where somebody waits for a feed now, else half as long, and then none.

    At once ten times what the one at the head has waited, where that is more, up to the bound.
    pause_seconds: before the last one. Who is served while this is asked counts: so does whoever takes long to serve.
    """
    if interactive.waiting + interactive.running:
        waited = PAUSE_PER_WAITING * (interactive.oldest_waiting_seconds or 0.0)
        return min(max(2 * pause_seconds, FIRST_PAUSE_SECONDS, waited), LONGEST_PAUSE_SECONDS)
    halved = pause_seconds / 2
    return halved if halved >= FIRST_PAUSE_SECONDS else 0.0
