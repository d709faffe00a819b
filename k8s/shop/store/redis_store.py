"""The one Redis client of a process, and a cache that the shop can do without."""

from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

CONNECTION_OPTIONS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    # One more try, at once: a connection that Redis closed while idle is replaced. The client's default waits for
    # seconds, and a request is better answered with 503.
    "retry": Retry(NoBackoff(), 1),
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
