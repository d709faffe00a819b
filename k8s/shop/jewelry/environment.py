"""Every setting comes from the environment; this is where it is read and checked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

# A bucket at each threshold a gate is likely to use: a quantile read from a histogram is exact only at bucket bounds.
DEFAULT_LATENCY_BUCKETS_S = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10,
)


class SettingInvalid(Exception):
    """A setting is missing or cannot be used; the text names it and says what it must look like."""


def text(name: str, default: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    value = environment.get(name) or default
    if value is None:
        raise SettingInvalid(f"{name} is not set; see k8s/shop/README.md, \"Environment\".")
    return value


def number(name: str, default: int, least: int = 0, environment: Mapping[str, str] = os.environ) -> int:
    value = environment.get(name) or str(default)
    if not value.isdecimal() or int(value) < least:
        raise SettingInvalid(f"{name} is {value!r}; it must be a whole number, {least} or more.")
    return int(value)


def seconds_list(name: str, default: tuple[float, ...], environment: Mapping[str, str] = os.environ) -> tuple[float, ...]:
    value = environment.get(name)
    if not value:
        return default
    try:
        bounds = tuple(float(part) for part in value.split(","))
    except ValueError:
        bounds = ()
    if not bounds or min(bounds) <= 0 or list(bounds) != sorted(set(bounds)):
        raise SettingInvalid(f"{name} is {value!r}; it must be rising seconds with commas between, such as 0.1,0.5,1.")
    return bounds


def database(url: str) -> dict[str, object]:
    """Django's DATABASES entry for a URL such as postgresql://user:password@host:5432/name?sslmode=require."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise SettingInvalid("DATABASE_URL must look like postgresql://user:password@host:5432/name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        # One connection a thread, kept for good: opening one costs a fork on the server and the password's key derivation.
        "CONN_MAX_AGE": None,
        # Asks a kept connection for a sign of life once a request, so that a restarted database costs no failed
        # request on each of the many threads.
        "CONN_HEALTH_CHECKS": True,
        # Short, so that a database that accepts but does not answer gives a 503 instead of a long stall
        # (psycopg takes nothing under 2 s).
        "OPTIONS": {"connect_timeout": 2, "application_name": "jewelry-shop", **dict(parse_qsl(parts.query))},
    }


@dataclass(frozen=True)
class RedisServer:
    """One Redis, where its URL says."""

    url: str


@dataclass(frozen=True)
class RedisMaster:
    """Whichever Redis the Sentinels call the master of this name."""

    name: str
    sentinels: tuple[tuple[str, int], ...]
    password: str | None  # of Redis; the Sentinels tell strangers who the master is


def redis(environment: Mapping[str, str] = os.environ) -> RedisServer | RedisMaster | None:
    url, sentinels = environment.get("REDIS_URL"), environment.get("REDIS_SENTINELS")
    if url and sentinels:
        raise SettingInvalid("REDIS_URL and REDIS_SENTINELS are both set; set one, since only one can say where Redis is.")
    if sentinels:
        addresses = tuple(_address(part.strip()) for part in sentinels.split(","))
        return RedisMaster(text("REDIS_MASTER", "shop", environment), addresses, environment.get("REDIS_PASSWORD") or None)
    return RedisServer(url) if url else None


def _address(part: str) -> tuple[str, int]:
    host, _, port = part.rpartition(":")
    if not host or not port.isdecimal():
        raise SettingInvalid(f"REDIS_SENTINELS has {part!r}; it must be host:port, with commas between.")
    return host, int(port)
