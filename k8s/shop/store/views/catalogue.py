from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from store.models import REVIEW_FIELDS, Category, Product
from store.paging import cached_count, cached_here, page_of

CATEGORIES_KEPT_S = 60
REVIEWS_SHOWN = 10
CARD_FIELDS = ("name", "price_cents", "stock", "rating_sum", "rating_count")


def categories() -> list[Category]:
    return cached_here.get_or_set("categories", lambda: list(Category.objects.all()), CATEGORIES_KEPT_S)


def listing(request: HttpRequest, title: str, products: QuerySet[Product], count_key: str | None, **more: object) -> HttpResponse:
    page = page_of(request, products.only(*CARD_FIELDS), cached_count(count_key, products) if count_key else None)
    return render(request, "catalogue.html", {"title": title, "page": page, "categories": categories(), **more})


@require_safe
@ensure_csrf_cookie
def catalogue(request: HttpRequest) -> HttpResponse:
    return listing(request, "Jewelry", Product.objects.order_by("pk"), "all")


@require_safe
@ensure_csrf_cookie
def category(request: HttpRequest, slug: str) -> HttpResponse:
    chosen = next((category for category in categories() if category.slug == slug), None)
    if chosen is None:
        raise Http404
    return listing(request, chosen.name, Product.objects.filter(category=chosen).order_by("pk"), slug, chosen=chosen)


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    words = request.GET.get("q", "").replace("\0", " ").strip()[:100]
    if not words:
        return listing(request, "Search", Product.objects.none(), None, words=words)
    query = SearchQuery(words, config="english", search_type="websearch")
    found = Product.objects.filter(search=query).order_by(SearchRank(F("search"), query).desc(), "pk")
    return listing(request, f"Search: {words}", found, None, words=words)


@require_safe
def product(request: HttpRequest, pk: int) -> HttpResponse:
    chosen = get_object_or_404(Product.objects.select_related("category").defer("search"), pk=pk)
    reviews = chosen.reviews.select_related("customer").only(*REVIEW_FIELDS)
    return render(request, "product.html", {
        "title": chosen.name, "product": chosen, "reviews": reviews.order_by("-written_at")[:REVIEWS_SHOWN],
    })
