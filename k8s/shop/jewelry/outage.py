"""Tells a store that does not answer, which is an outage (503, try again), from a mistake in the shop (500)."""

import logging
import time

import redis.exceptions
from django.db import InterfaceError, OperationalError

OUTAGES = (OperationalError, InterfaceError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)
QUIET_S = 1.0


class OneLinePerOutage(logging.Filter):
    """
    Turns an outage's traceback into one line, at most one a second: under load an outage fails hundreds of requests a
    second, and writing a traceback for each would cost more than serving them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until_s = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", None) == 503 and record.exc_info is None:
            return False  # the answer to a request whose cause has been logged
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, OUTAGES):
            return True
        now_s = time.monotonic()
        if now_s < self._quiet_until_s:
            return False
        self._quiet_until_s = now_s + QUIET_S
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        record.msg, record.args, record.exc_info = f"store unavailable, answering 503: {reason}", (), None
        return True
