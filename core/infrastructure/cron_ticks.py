"""Ticks by a cron expression in UTC."""

from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

from core.domain.errors import ConfigurationError
from core.domain.schedule import NEVER

FIELDS = 5


class CronTicks:
    """Minute, hour, day of the month, month and day of the week; `never` has no ticks."""

    def __init__(self, expression: str, variable: str = "cron") -> None:
        """Raises ConfigurationError, naming the variable."""
        self._expression = expression
        if expression != NEVER:
            _check(expression, variable)

    def newest(self, now: datetime) -> datetime | None:
        """The last tick that is not after now."""
        # Backwards the library begins before the moment it is given.
        after = now.replace(microsecond=0) + timedelta(seconds=1)
        return self._first(after, is_reversed=True)

    def next(self, now: datetime) -> datetime | None:
        """The first tick after now."""
        return self._first(now, is_reversed=False)

    def _first(self, moment: datetime, *, is_reversed: bool) -> datetime | None:
        if self._expression == NEVER:
            return None
        return next(CronSim(self._expression, moment, is_reversed), None)


def _check(expression: str, variable: str) -> None:
    wrong = ConfigurationError(
        f"{variable}={expression!r} is wrong: expected minute, hour, day, month and day of the week, like '0 3 * * *', "
        f"or {NEVER}"
    )
    try:
        CronSim(expression, datetime.min)
    except (CronSimError, ValueError) as error:
        raise wrong from error
    if len(expression.split()) != FIELDS:
        raise wrong
