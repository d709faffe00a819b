"""Who may see a page."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse

from store.views.problems import problem, wants_json

View = Callable[..., HttpResponse]


def customer_only(view: View) -> View:
    """
    Sends a visitor who wants to see a page to the login page, and refuses one who wants to change something with 401:
    after a redirect the client would find 200 and take the change, an order for example, for acknowledged.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if request.method in ("GET", "HEAD") and not wants_json(request):
            return redirect_to_login(request.get_full_path())
        return problem(request, 401, "login_needed", "Please log in first.")

    return guarded
