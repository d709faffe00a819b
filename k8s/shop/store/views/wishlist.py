from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from store.models import Product, WishlistItem
from store.paging import page_of
from store.views.access import customer_only
from store.views.cart import RemoveForm
from store.views.problems import problem


@customer_only
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    items = WishlistItem.objects.filter(customer=request.user).select_related("product").defer("product__description", "product__search").order_by("-added_at", "pk")
    return render(request, "wishlist.html", {"title": "Wishlist", "page": page_of(request, items)})


@customer_only
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    form = RemoveForm(request.POST)
    if not form.is_valid():
        return problem(request, 400, "invalid", "Choose a product.")
    product = Product.objects.only("pk").filter(pk=form.cleaned_data["product"]).first()
    if product is None:
        return problem(request, 404, "not_found", "There is no such product.")
    # Wished twice is wished once, also when both clicks arrive together.
    WishlistItem.objects.bulk_create([WishlistItem(customer=request.user, product=product)], ignore_conflicts=True)
    return redirect("wishlist")


@customer_only
@require_POST
def remove(request: HttpRequest) -> HttpResponse:
    form = RemoveForm(request.POST)
    if not form.is_valid():
        return problem(request, 400, "invalid", "Choose a product.")
    WishlistItem.objects.filter(customer=request.user, product_id=form.cleaned_data["product"]).delete()
    return redirect("wishlist")
