"""The one Redis client of a process, which follows a failover, and a cache that the shop can do without."""

import time
from functools import cache
from threading import Lock
from typing import Any

import redis
from django.conf import settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ResponseError, TimeoutError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool, SentinelManagedConnection

from jewelry.environment import RedisMaster, RedisServer

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
        now_s = time.monotonic()
        if now_s >= self._until_s:  # whoever is refused, or had been waiting, makes it no longer
            self._until_s = now_s + QUIET_S

    def refuse(self) -> None:
        if time.monotonic() < self._until_s:
            raise TimeoutError("Redis did not answer a moment ago")


outage = Outage()


class WriteRefused(ConnectionError):
    """The master has no replica to copy a write to: an outage, though it does answer."""


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
        except ResponseError as error:
            if str(error).startswith("NOREPLICAS"):
                raise WriteRefused(str(error)) from error
            raise


class WatchedMasterConnection(WatchedConnection, SentinelManagedConnection):
    """The same to whichever Redis is the master now; the Sentinels are asked for each new connection."""


class WatchedSentinels(Sentinel):
    """
    Asks the Sentinels for one thread at a time: they are tried in turn, the one that answered last first, and that order is
    a list which threads would spoil for each other. Those who wait meanwhile are told of an outage instead of asking again.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lock = Lock()

    def discover_master(self, service_name: str) -> Any:
        with self._lock:
            outage.refuse()
            try:
                return super().discover_master(service_name)
            except MasterNotFoundError:
                outage.begin()
                raise


PATIENCE: dict[str, Any] = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}


@cache
def connection_pool(decode_responses: bool) -> redis.ConnectionPool:
    options: dict[str, Any] = {
        **PATIENCE,
        "decode_responses": decode_responses,
        # One more try, at once, but only for a connection that Redis closed while it was idle: who waited in vain is answered
        # with 503. The client's default waits for seconds.
        "retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
    }
    match settings.REDIS:
        case RedisServer(url):
            return redis.ConnectionPool.from_url(url, connection_class=WatchedConnection, **options)
        case RedisMaster(name, sentinels, password):
            asked = WatchedSentinels(sentinels, sentinel_kwargs={**PATIENCE, "retry": Retry(NoBackoff(), 0)})
            return SentinelConnectionPool(name, asked, connection_class=WatchedMasterConnection, password=password, **options)
        case _:
            raise RuntimeError("asked for Redis where none is configured")


def client() -> redis.Redis:
    return redis.Redis(connection_pool=connection_pool(decode_responses=True))


class CacheClient(RedisCacheClient):
    """Django's, on the connections above."""

    def get_client(self, key: Any = None, *, write: bool = False) -> redis.Redis:
        return redis.Redis(connection_pool=connection_pool(decode_responses=False))


class OptionalCache(RedisCache):
    """A cache that is a miss when Redis does not answer: everything in it is in the database too."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = CacheClient

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
