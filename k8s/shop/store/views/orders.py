import uuid

from django.db.models import Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from store.models import Order
from store.paging import page_of
from store.views.access import customer_only
from store.views.problems import problem


@customer_only
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    mine = Order.objects.filter(customer=request.user).order_by("-placed_at", "pk")
    return render(request, "orders.html", {"title": "Your orders", "page": page_of(request, mine)})


@customer_only
@require_safe
def detail(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    order = get_object_or_404(Order, pk=pk, customer=request.user)
    lines = order.lines.select_related("product").order_by("pk")
    return render(request, "order.html", {"title": "Your order", "order": order, "lines": lines})


@require_safe
def receipt(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """
    Whether an order exists, for whoever knows its id, with nothing about the customer in it.

    It needs no login, so that a checker can prove afterwards, from ids alone, that no acknowledged order was lost.
    """
    order = Order.objects.filter(pk=pk).annotate(items=Sum("lines__quantity")).first()
    if order is None:
        return problem(request, 404, "not_found", "There is no such order.")
    return JsonResponse({
        "order_id": str(order.pk), "status": order.status, "total_cents": order.total_cents, "items": order.items,
        "placed_at": order.placed_at.isoformat(),
    })
