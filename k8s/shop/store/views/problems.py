"""Pages for what went wrong. They ask no store: it may be the store that went wrong."""

import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from jewelry.outage import OUTAGES

RETRY_AFTER_S = 2


def wants_json(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/") or request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def problem(request: HttpRequest, status: int, code: str, text: str) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"error": code, "text": text}, status=status)
    return HttpResponse(render_to_string("problem.html", {"status": status, "text": text}), status=status)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles the exception, wherever that came from: a view, a template, a middleware."""
    if isinstance(sys.exc_info()[1], OUTAGES):
        response = problem(request, 503, "unavailable", "The shop cannot reach its data just now. Please try again.")
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response
    return problem(request, 500, "internal", "Something went wrong on our side.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(request, 404, "not_found", "There is nothing here.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(request, 403, "forbidden", "This page is for staff.")


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    return problem(request, 403, "csrf", "This form has expired. Go back, reload the page and send it again.")
