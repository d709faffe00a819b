"""The staff's pages."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from django import forms
from django.contrib import messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Sum
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from store.models import Customer, Order, OrderLine, Product
from store.ordering import change_status
from store.paging import page_of
from store.views.access import customer_only

FIGURES_KEPT_S = 5
LOW_STOCK = 10
View = Callable[..., HttpResponse]


def staff_only(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if not request.user.is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return customer_only(guarded)


class ProductForm(forms.ModelForm):
    # Carries the stock as it was shown: left alone, it counts as unchanged, though orders have lowered the real one since.
    stock = forms.IntegerField(min_value=0, max_value=10_000_000, show_hidden_initial=True)

    class Meta:
        model = Product
        fields = ["name", "price_cents", "stock"]


class StatusForm(forms.Form):
    status = forms.ChoiceField(choices=Order.Status.choices)


def sales_figures() -> dict[str, object]:
    since = timezone.now() - timedelta(days=7)
    recent = Order.objects.filter(placed_at__gte=since).exclude(status=Order.Status.CANCELLED)
    return {
        "week": recent.aggregate(orders=Count("pk"), revenue_cents=Sum("total_cents", default=0)),
        "days": list(
            recent.annotate(day=TruncDate("placed_at")).values("day")
            .annotate(orders=Count("pk"), revenue_cents=Sum("total_cents")).order_by("-day")
        ),
        "best": list(
            OrderLine.objects.filter(order__in=recent).values("product_id", "product__name")
            .annotate(sold=Sum("quantity")).order_by("-sold", "product_id")[:5]
        ),
        "low": list(Product.objects.filter(stock__lte=LOW_STOCK).order_by("stock", "pk").values("pk", "name", "stock")[:10]),
        "customers": Customer.objects.count(),
    }


@staff_only
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    figures = cache.get_or_set("sales-figures", sales_figures, FIGURES_KEPT_S)
    return render(request, "admin_dashboard.html", {"title": "Sales", **figures})


@staff_only
@require_safe
def stock(request: HttpRequest) -> HttpResponse:
    page = page_of(request, Product.objects.only("name", "sku", "price_cents", "stock").order_by("pk"))
    return render(request, "admin_stock.html", {"title": "Stock", "page": page})


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def product(request: HttpRequest, pk: int) -> HttpResponse:
    chosen = get_object_or_404(Product.objects.defer("search"), pk=pk)
    form = ProductForm(request.POST or None, instance=chosen)
    if form.is_valid():
        if form.changed_data:
            chosen.save(update_fields=form.changed_data)
        messages.success(request, f"{chosen.name} saved.")
        return redirect("admin-stock")
    status = 400 if form.errors else 200
    return render(request, "form.html", {"title": chosen.sku, "button": "Save", "form": form}, status=status)


@staff_only
@require_safe
def orders(request: HttpRequest) -> HttpResponse:
    page = page_of(request, Order.objects.select_related("customer").order_by("-placed_at", "pk"))
    return render(request, "admin_orders.html", {"title": "Orders", "page": page})


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def order(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    chosen = get_object_or_404(Order.objects.select_related("customer"), pk=pk)
    form = StatusForm(request.POST or None, initial={"status": chosen.status})
    if form.is_valid():
        if change_status(pk, Order.Status(form.cleaned_data["status"])):
            messages.success(request, "Status saved.")
        else:
            messages.error(request, "A cancelled order stays cancelled.")
        return redirect("admin-order", pk=pk)
    lines = chosen.lines.select_related("product").order_by("pk")
    context = {"title": "Order", "order": chosen, "lines": lines, "form": form}
    return render(request, "admin_order.html", context, status=400 if form.errors else 200)
