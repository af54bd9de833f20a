"""The machine's clock."""

from datetime import UTC, datetime


class SystemClock:
    """The real now."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        return datetime.now(UTC)
