"""
/healthz: this process runs and has a free thread; touches nothing, so that a database outage restarts no shop.
/readyz: the stores answer, so that traffic goes only where it can be served.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from django.conf import settings
from django.db import close_old_connections, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

READY_WITHIN_S = 1.0


class Probe:
    """
    Asks a store in a thread of its own, one question at a time.

    No store client can promise to return in time: a stopped database answers neither yes nor no on a connection that
    is already open. The question is left standing, and until it is answered the store counts as not ready.
    """

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._lock = Lock()
        self._standing: Future[object] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="probe")

    def trouble(self, within_s: float) -> str | None:
        """None when the store has answered within the time, else what is wrong with it."""
        with self._lock:
            if self._standing is None or self._standing.done():
                self._standing = self._thread.submit(self._ask)
            standing = self._standing
        try:
            standing.result(timeout=within_s)
        except TimeoutError:
            return f"no answer within {within_s:g} s"
        except Exception as error:  # whatever it is, the store cannot be used
            return f"{type(error).__name__}: {error}".splitlines()[0]
        return None


def ask_database() -> None:
    close_old_connections()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def ask_redis() -> None:
    from store.redis_store import client  # only imported where Redis is configured

    client().ping()


PROBES = {"database": Probe(ask_database)} | ({"redis": Probe(ask_redis)} if settings.REDIS else {})


def healthz(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(_request: HttpRequest) -> HttpResponse:
    troubles = {store: trouble for store, probe in PROBES.items() if (trouble := probe.trouble(READY_WITHIN_S))}
    return JsonResponse({"ready": not troubles, "troubles": troubles}, status=503 if troubles else 200)
