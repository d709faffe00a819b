"""Pages of a list."""

from collections.abc import Callable

from django.core.cache import caches
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

PER_PAGE = 20
COUNT_KEPT_S = 30

# What hardly changes, and is the same for all, in this process's own memory: Redis would be asked for it by nearly every request.
cached_here = caches["here"]


def page_of(request: HttpRequest, rows: QuerySet, count: Callable[[], int] | None = None) -> Page:
    """The page that ?page= names; a number out of range gives the nearest page. `count` may answer from a cache."""
    paginator = Paginator(rows, PER_PAGE)
    if count:
        paginator.count = count()  # a cached property: set, it is not queried
    return paginator.get_page(request.GET.get("page"))


def cached_count(key: str, rows: QuerySet) -> Callable[[], int]:
    return lambda: cached_here.get_or_set(f"count:{key}", rows.count, COUNT_KEPT_S)
