"""Tells faultline's locust-bridge, every 200 ms, exactly what this Locust process did.

Put one line into any locustfile, with this file's folder on PYTHONPATH:

    import faultline_listeners

Why not Locust's own statistics: workers report them every 3 s, and round the times (147 ms becomes 150 ms), so a gate on
them can neither be quick nor exact. And why also requests in flight: Locust is closed-loop, so a stalled server *suppresses*
samples; a request that has been waiting longer than a gate's threshold is slow now, not when it ends.

    request --> Tally --cut every 200 ms--> Outbox (150 samples, oldest dropped) --OS thread--> POST {bridge}/samples

Settings, from the environment:
    FAULTLINE_BRIDGE_URL    e.g. http://127.0.0.1:9646 (http only); unset: this module does nothing
    FAULTLINE_BRIDGE_TOKEN  sent as `Authorization: Bearer`; optional

Nothing here may slow the load: a dead, slow or silent bridge costs samples (counted, see `Sample.dropped`), never requests.
"""

from __future__ import annotations

import functools
import http.client
import json
import logging
import os
import secrets
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict
from urllib.parse import urlsplit

import gevent
from gevent import monkey
from flask import Response, jsonify, request
from flask_login import current_user
from greenlet import getcurrent
from locust import argument_parser, events
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.env import Environment
from locust.runners import MasterRunner, Runner, WorkerRunner
from locust.web import WebUI

PERIOD_S = 0.2
OVERDUE_MS = 100
AGE_STEP_MS = 50
OUTBOX_SAMPLES = 150  # 30 s of samples
POST_TIMEOUT_S = 1.0
FIRST_BACKOFF_S = 0.05
LAST_BACKOFF_S = 1.0
FLUSH_S = 2.0

log = logging.getLogger("faultline")


class BridgeUrlInvalid(ValueError):
    """FAULTLINE_BRIDGE_URL cannot be used. Raised from `init`, which makes Locust exit: a load that nobody sees proves nothing."""

    code = "BRIDGE_URL_INVALID"


# --- What is counted ------------------------------------------------------------------------------------------------------


class Counts(TypedDict):
    """What happened in one stretch of time, and what was still in flight at its end. Times are whole milliseconds."""

    ok: dict[int, int]  # response time -> how many; exact, not bucketed
    failed: dict[int, int]  # the same, for requests whose event carried an exception
    unanswered: NotRequired[dict[int, int]]  # those of the failed that no status came to: refused, reset, timed out
    inFlight: dict[int, int]  # age, rounded down to 50 -> how many; only those at least 100 old
    inFlightTotal: int  # of any age


class Tally:
    """Counts requests. Never yields to another greenlet, so a cut is atomic: each request is in exactly one sample.

    In flight is keyed by greenlet, because a greenlet waits for one answer at a time. So a request leaves it in the very
    moment in which its end event is counted, even though that event is fired from inside the wrapped `request()`.

    This is the load's hot path: at 13,000 requests per second on one core each microsecond per request costs over 1 % of them.
    Hence no Counter, and no method per step.
    """

    def __init__(self) -> None:
        self._ok: dict[int, int] = {}
        self._failed: dict[int, int] = {}
        self._unanswered: dict[int, int] = {}
        self._started_s: dict[object, float] = {}

    def watch(self, request: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps a session's `request`, since Locust has an event for the end only. A request that ends without an event (its
        user was stopped) leaves too, and counts as neither ok nor failed, as in Locust's own statistics.
        """
        started_s = self._started_s

        @functools.wraps(request)
        def watched(*args: Any, **kwargs: Any) -> Any:
            who = getcurrent()
            outer_s = started_s.get(who)  # a user's listener may send a request of its own inside another
            started_s[who] = time.monotonic()
            try:
                return request(*args, **kwargs)
            finally:
                if outer_s is None:
                    started_s.pop(who, None)
                else:
                    started_s[who] = outer_s

        return watched

    def on_request(self, response_time: float | None, exception: object = None, response: object = None, **_: object) -> None:
        """Locust's own rule says what failed (`if exception`), so that both totals agree. No time given counts as 0 ms.

        To a request without an answer Locust's sessions give a response whose status is 0. What has no status at all, such as a client of the user's own, may have
        been answered in some other way.
        """
        self._started_s.pop(getcurrent(), None)
        counts = self._failed if exception else self._ok
        whole_ms = int((response_time or 0) + 0.5)
        counts[whole_ms] = counts.get(whole_ms, 0) + 1
        if exception and getattr(response, "status_code", None) == 0:
            self._unanswered[whole_ms] = self._unanswered.get(whole_ms, 0) + 1

    def cut(self, now_s: float) -> Counts:
        """Hands over what was counted since the last cut, and looks at what is in flight."""
        ok, failed, unanswered = self._ok, self._failed, self._unanswered
        self._ok, self._failed, self._unanswered = {}, {}, {}
        ages_ms = [int((now_s - started_s) * 1000) for started_s in self._started_s.values()]
        overdue = Counter(age - age % AGE_STEP_MS for age in ages_ms if age >= OVERDUE_MS)
        counts: Counts = {"ok": ok, "failed": failed, "inFlight": overdue, "inFlightTotal": len(ages_ms)}
        if unanswered:
            counts["unanswered"] = unanswered
        return counts


@dataclass(frozen=True)
class Sample:
    """One stretch of this process's life. Sample k+1 starts at the millisecond at which sample k ended."""

    index: int  # 0, 1, 2... of this worker; with `worker` the key by which the bridge drops duplicates
    start_ms: int  # Unix epoch, this machine's clock
    end_ms: int
    users: int
    late_ms: int  # how late the cut was against the 200 ms timetable: a saturated generator shows here
    counts: Counts


def encode(sample: Sample, worker: str, boot_id: str | None, dropped: int) -> bytes:
    """The body of POST /samples, version 1."""
    return json.dumps(
        {
            "version": 1,
            "worker": worker,
            "index": sample.index,
            "startMs": sample.start_ms,
            "endMs": sample.end_ms,
            "bootId": boot_id,
            "users": sample.users,
            **sample.counts,
            "lateMs": sample.late_ms,
            "dropped": dropped,
        },
        separators=(",", ":"),
    ).encode()


# --- When it is cut -------------------------------------------------------------------------------------------------------


class Sampler:
    """Cuts the tally on an absolute timetable, from init to quit, also while no test runs: the samples are the heartbeat."""

    def __init__(self, tally: Tally, users: Callable[[], int], take: Callable[[Sample], None]) -> None:
        self._tally = tally
        self._users = users
        self._take = take
        self._index = 0
        self._end_ms = time.time_ns() // 1_000_000

    def run(self) -> None:
        """Never returns. A stall of several periods makes one long, late sample, not a burst of empty ones after it."""
        first_s = time.monotonic()
        slot = 1
        while True:
            due_s = first_s + slot * PERIOD_S
            gevent.sleep(max(0.0, due_s - time.monotonic()))
            late_s = max(0.0, time.monotonic() - due_s)
            self.cut(late_ms=int(late_s * 1000))
            slot += 1 + int(late_s / PERIOD_S)

    def cut(self, late_ms: int = 0) -> None:
        """Ends the current sample now. A wall clock that was set back gives empty spans until it has caught up, never overlaps."""
        start_ms = self._end_ms
        self._end_ms = max(start_ms, time.time_ns() // 1_000_000)
        counts = self._tally.cut(time.monotonic())
        self._take(Sample(self._index, start_ms, self._end_ms, self._users(), late_ms, counts))
        self._index += 1


# --- How it is delivered --------------------------------------------------------------------------------------------------
#
# From here to the next line all runs in one OS thread of its own, whose waiting never stalls the greenlets that are the load.
# So nothing there may be gevent's: sockets, locks and sleep are taken as they were before Locust patched them (a patched one
# would start a second event loop in that thread), and nothing is logged there, because logging's locks are patched too.

allocate_native_lock = monkey.get_original("_thread", "allocate_lock")
start_native_thread = monkey.get_original("_thread", "start_new_thread")
sleep_natively = monkey.get_original("time", "sleep")
NativeQueue = monkey.get_original("queue", "SimpleQueue")

NoAnswer = OSError | http.client.HTTPException


class NativeConnection(http.client.HTTPConnection):
    """Keep-alive HTTP over an unpatched socket."""

    def connect(self) -> None:
        self.sock = connect_natively(self.host, self.port, POST_TIMEOUT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def connect_natively(host: str, port: int, timeout_s: float) -> socket.socket:
    """`socket.create_connection` again, because the standard one looks its parts up in the patched module."""
    getaddrinfo = monkey.get_original("socket", "getaddrinfo")
    native_socket = monkey.get_original("socket", "socket")
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        connection: socket.socket = native_socket(family, kind, protocol)
        connection.settimeout(timeout_s)
        try:
            connection.connect(address)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure


class Poster:
    """POSTs one body at a time."""

    def __init__(self, url: str, token: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise BridgeUrlInvalid(f"FAULTLINE_BRIDGE_URL is {url!r}; set it to http://host:port of the locust-bridge, or unset it")
        self._path = parts.path.rstrip("/") + "/samples"
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._connection = NativeConnection(parts.hostname, parts.port or 80, timeout=POST_TIMEOUT_S)

    def post(self, body: bytes) -> int | NoAnswer:
        """Returns the status of the answer, or why none came within a second of connecting or of waiting for it."""
        try:
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            response.read()
            return response.status
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return error


class Outbox:
    """Samples on their way, delivered in order, each retried under its own index until the bridge has acknowledged it.

    It forgets the oldest when the bridge is away for more than 30 s, and one that the bridge refuses (4xx). `dropped` in the
    next delivered body says how many those were. `put`, `news` and `flush` are for the load's thread, the rest for the other.
    """

    def __init__(self, post: Callable[[bytes], int | NoAnswer], worker: str, boot_id: str | None) -> None:
        self._post = post
        self._worker = worker
        self._boot_id = boot_id
        self._channel = NativeQueue()  # of Sample; None: no more will come
        self._waiting: deque[Sample] = deque(maxlen=OUTBOX_SAMPLES)
        self._closing = False
        self._emptied = allocate_native_lock()
        self._emptied.acquire()
        self._delivered = -1  # index of the last acknowledged sample
        self._backoff_s = FIRST_BACKOFF_S
        self._trouble: str | None = None  # as last told
        self._news: deque[str] = deque()

    def put(self, sample: Sample) -> None:
        self._channel.put(sample)

    def news(self) -> str | None:
        """What there is to log, one line per change: that samples do not arrive, and why; that they arrive again."""
        return self._news.popleft() if self._news else None

    def flush(self, timeout_s: float) -> int:
        """Ends the delivery. Returns how many samples could not be delivered in time.

        Blocks the whole load's thread, for which only the end of the process is good: yielding to other greenlets there
        lets Locust's main greenlet shut down a second time, which empties the statistics that Locust then reports.
        """
        self._channel.put(None)
        self._emptied.acquire(timeout=timeout_s)
        return len(self._waiting)

    def run(self) -> None:
        """Ends with `flush`, once all is delivered."""
        while True:
            self._collect()
            if self._waiting:
                self._deliver(self._waiting[0])
            elif self._closing:
                self._emptied.release()
                return

    def _collect(self) -> None:
        # Waits only when there is nothing to deliver.
        while not self._channel.empty() or not (self._waiting or self._closing):
            sample = self._channel.get()
            if sample is None:
                self._closing = True
            else:
                self._waiting.append(sample)

    def _deliver(self, sample: Sample) -> None:
        body = encode(sample, self._worker, self._boot_id, dropped=sample.index - self._delivered - 1)
        status = self._post(body)
        if not isinstance(status, int):
            return self._retry_later(f"no answer ({status!r})")
        if 200 <= status < 300:
            self._waiting.popleft()
            self._delivered = sample.index
            self._backoff_s = FIRST_BACKOFF_S
            return self._tell(None)
        if 400 <= status < 500:
            self._waiting.popleft()
            return self._tell(f"it refuses samples with HTTP {status}; they are given up. Check FAULTLINE_BRIDGE_TOKEN")
        self._retry_later(f"HTTP {status}")

    def _retry_later(self, trouble: str) -> None:
        self._tell(f"{trouble}; the last {OUTBOX_SAMPLES * PERIOD_S:.0f} s of samples are kept and retried. The load goes on")
        sleep_natively(self._backoff_s)
        self._backoff_s = min(self._backoff_s * 2, LAST_BACKOFF_S)

    def _tell(self, trouble: str | None) -> None:
        if trouble == self._trouble:
            return
        self._trouble = trouble
        self._news.append(trouble or f"samples arrive (delivered up to {self._delivered})")


# --- A test's own arguments -------------------------------------------------------------------------------------------------


def keep_arguments_apart(environment: Environment, web: WebUI) -> None:
    """For the bridge, which names in `faultline_parameters` what it gives a test beside its users (`load.parameters`).

    Locust passes over a name that it does not know, and keeps a test's arguments for the next. So here an unknown one is refused,
    and those that the test does not name are again as Locust was started with. A test that people start is left alone.
    """
    options = vars(environment.parsed_options)
    at_start = {name: value for name, value in options.items() if name not in argument_parser.default_args_dict()}

    @web.app.before_request
    def look_at_swarm() -> Response | None:
        if request.endpoint != "locust.swarm" or "faultline_parameters" not in request.form:
            return None
        if web.web_login and not current_user.is_authenticated:
            return None  # answered by Locust, with its login page
        named = [name for name in request.form["faultline_parameters"].split(",") if name]
        if unknown := [name for name in named if name not in at_start]:
            why = f"the locustfile has no argument {', '.join(unknown)}; it has {', '.join(sorted(at_start)) or 'none'}"
            return jsonify({"success": False, "message": why})
        options.update(at_start)
        return None


# --- Locust's events ------------------------------------------------------------------------------------------------------


def start(environment: Environment, runner: Runner, url: str, token: str | None) -> None:
    """Watches, samples and delivers until this process quits."""
    tally = Tally()
    for session_class in (FastHttpSession, HttpSession):
        session_class.request = tally.watch(session_class.request)  # type: ignore[method-assign]

    # The name is made here and not on import: `locust --processes` forks in between.
    worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    outbox = Outbox(Poster(url, token).post, worker, read_boot_id())

    def take(sample: Sample) -> None:
        outbox.put(sample)
        while news := outbox.news():
            log.warning("locust-bridge: %s", news)

    sampler = Sampler(tally, lambda: runner.user_count, take)

    def on_test_stop(**_: object) -> None:
        sampler.cut()  # not waiting for its delivery: this process lives on
        if isinstance(runner, WorkerRunner):
            # Its next report is up to 3 s away, and the master says before that that all have stopped. Locust does the same on quitting.
            runner._send_stats()

    def on_quit(**_: object) -> None:
        # `quit`, not `quitting`: users are stopped between the two, and their last requests count.
        sampler.cut()
        if left := outbox.flush(FLUSH_S):
            log.warning("locust-bridge: %d samples could not be delivered before the end", left)

    environment.events.request.add_listener(tally.on_request)
    environment.events.test_stop.add_listener(on_test_stop)
    environment.events.quit.add_listener(on_quit)
    gevent.spawn(sampler.run)
    start_native_thread(outbox.run, ())
    log.info("locust-bridge: posting samples to %s as %s", url, worker)


def read_boot_id() -> str | None:
    """Names this boot of this machine, so that the bridge knows whether its clock is the same as ours."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


@events.init.add_listener
def on_init(environment: Environment, runner: Runner, **_: object) -> None:
    events.init.remove_listener(on_init)  # once per process: a second start would count each request twice
    if environment.web_ui:
        keep_arguments_apart(environment, environment.web_ui)
    url = os.environ.get("FAULTLINE_BRIDGE_URL")
    if not url:
        log.info("FAULTLINE_BRIDGE_URL is not set: no samples are posted")
        return
    if isinstance(runner, MasterRunner):
        log.info("a master sends no requests: its workers post the samples")
        return
    start(environment, runner, url, os.environ.get("FAULTLINE_BRIDGE_TOKEN"))
