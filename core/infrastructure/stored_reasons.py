"""Reasons as numbers, wherever feeds are stored."""

from core.domain.feed import Reason

# A reason is stored as its place here: append only.
REASONS = (Reason.COLLABORATIVE_FILTERING, Reason.POPULAR)
