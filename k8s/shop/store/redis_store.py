"""The one Redis client of a process, and a cache that the shop can do without."""

import time
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

QUIET_S = 1.0


class Outage:
    """
    Redis has not answered in time: for a second nobody in this process asks it again.

    A Redis that is stopped, or cut off, costs each question its whole time-out; under load all threads would soon wait for
    it, and pages that need no Redis with them. So one question a second finds out whether it is back.
    """

    def __init__(self) -> None:
        self._until_s = 0.0

    def begin(self) -> None:
        self._until_s = time.monotonic() + QUIET_S

    def refuse(self) -> None:
        if time.monotonic() < self._until_s:
            raise TimeoutError("Redis did not answer a moment ago")


outage = Outage()


class WatchedConnection(redis.Connection):
    """A connection that asks nothing during an outage, and finds out about one. Below the client, so that pipelines are watched too."""

    def connect(self) -> None:
        outage.refuse()
        try:
            super().connect()
        except TimeoutError:
            outage.begin()
            raise

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        outage.refuse()
        super().send_packed_command(command, check_health)

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except TimeoutError:
            outage.begin()
            raise


CONNECTION_OPTIONS: dict[str, Any] = {
    "connection_class": WatchedConnection,
    "socket_connect_timeout": 0.5,
    "socket_timeout": 0.5,
    # One more try, at once, but only for a connection that Redis closed while it was idle: who waited in vain is answered
    # with 503. The client's default waits for seconds.
    "retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
}


@cache
def client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, decode_responses=True, **CONNECTION_OPTIONS)


class OptionalCache(RedisCache):
    """A cache that is a miss when Redis does not answer: everything in it is in the database too."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._options = {**self._options, **CONNECTION_OPTIONS}

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        try:
            return super().get(key, default, version)
        except (ConnectionError, TimeoutError):
            return default

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        try:
            super().set(key, value, timeout, version)
        except (ConnectionError, TimeoutError):
            return

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        try:
            return super().add(key, value, timeout, version)
        except (ConnectionError, TimeoutError):
            return False  # `get_or_set` then gives the value it has computed

    def delete(self, key: str, version: int | None = None) -> bool:
        # A session that cannot be deleted from the cache would stay logged in: this one must fail.
        return super().delete(key, version)
