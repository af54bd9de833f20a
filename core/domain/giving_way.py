"""How bulk work slows down while people wait, and speeds up again."""

from core.domain.levels import QueueLevel

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 1.0


def next_pause(pause_seconds: float, interactive: QueueLevel) -> float:
    """Before the next chunk: twice as long where somebody waits for a feed now, else half as long, and then none.

    pause_seconds: before the last one. Who is served while this is asked counts: so does whoever takes long to serve.
    """
    if interactive.waiting + interactive.running:
        return min(max(2 * pause_seconds, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
    halved = pause_seconds / 2
    return halved if halved >= FIRST_PAUSE_SECONDS else 0.0
