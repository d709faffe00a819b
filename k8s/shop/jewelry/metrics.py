"""
What the shop counts. Each worker writes its numbers into files (prometheus_client's multiprocess mode); whoever is
asked, a worker or the thread in gunicorn's master, adds up the files.
"""

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Gauge, Histogram

from jewelry import exposition

# Scrapes and probes are not the shop's work: counted, they would dilute the error rate of a quiet shop.
UNCOUNTED = frozenset({"/healthz", "/readyz", "/metrics"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

requests_total = Counter("shop_requests_total", "Requests answered.", ["method", "view", "status"])
errors_total = Counter("shop_errors_total", "Requests answered with 500 or above.")
request_duration_seconds = Histogram(
    "shop_request_duration_seconds", "From the request's arrival in a thread until its answer is ready.", ["view"],
    buckets=settings.LATENCY_BUCKETS_S,
)
# A request that stalls is in none of the above until it ends; this shows it.
requests_in_progress = Gauge(
    "shop_requests_in_progress", "Requests being worked on now.", multiprocess_mode="livesum",
)


class RequestMetrics:
    """The outermost middleware: every exception has become a response by the time it is seen here."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info in UNCOUNTED:
            return self.get_response(request)
        started_s = time.perf_counter()
        with requests_in_progress.track_inprogress():
            response = self.get_response(request)
        count(request, response.status_code, time.perf_counter() - started_s)
        return response


def count(request: HttpRequest, status: int, duration_s: float) -> None:
    # Labels have few values whatever clients send: names of views, not paths, and known methods only.
    view = request.resolver_match.view_name if request.resolver_match else "unmatched"
    method = request.method if request.method in METHODS else "other"
    requests_total.labels(method, view, str(status)).inc()
    request_duration_seconds.labels(view).observe(duration_s)
    if status >= 500:
        errors_total.inc()


def exposition_page(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(exposition.text(), content_type=exposition.CONTENT_TYPE)
