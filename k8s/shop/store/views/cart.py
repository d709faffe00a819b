import uuid

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from store.carts import Quantities, cart_of, carts, remember
from store.models import MAX_QUANTITY, OrderLine, Product
from store.views.problems import problem


class LineForm(forms.Form):
    product = forms.ModelChoiceField(Product.objects.only("name"))
    quantity = forms.IntegerField(min_value=1, max_value=MAX_QUANTITY)


class RemoveForm(forms.Form):
    product = forms.IntegerField(min_value=1)


def lines_of(quantities: Quantities) -> list[OrderLine]:
    """What an order of this cart would hold, at today's prices."""
    products = Product.objects.only("name", "price_cents", "stock").filter(pk__in=quantities).order_by("pk") if quantities else []
    return [OrderLine(product=product, quantity=quantities[product.pk], unit_price_cents=product.price_cents) for product in products]


@require_safe
@ensure_csrf_cookie
def show(request: HttpRequest) -> HttpResponse:
    cart = cart_of(request)
    lines = lines_of(carts.quantities(cart)) if cart else []
    return render(request, "cart.html", {"title": "Cart", "lines": lines, "total_cents": sum(line.total_cents for line in lines)})


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    form = LineForm({"quantity": "1", **request.POST.dict()})
    if not form.is_valid():
        return problem(request, 400, "invalid", f"Choose a product and a quantity of 1 to {MAX_QUANTITY}.")
    cart = cart_of(request) or uuid.uuid4()
    product = form.cleaned_data["product"]
    carts.add(cart, product.pk, form.cleaned_data["quantity"])
    messages.success(request, f"{product.name} is in your cart.")
    response = redirect("cart")
    remember(response, cart)
    return response


@require_POST
def update(request: HttpRequest) -> HttpResponse:
    form = LineForm(request.POST)
    if not form.is_valid():
        return problem(request, 400, "invalid", f"Choose a product and a quantity of 1 to {MAX_QUANTITY}.")
    if cart := cart_of(request):
        carts.put(cart, form.cleaned_data["product"].pk, form.cleaned_data["quantity"])
    return redirect("cart")


@require_POST
def remove(request: HttpRequest) -> HttpResponse:
    form = RemoveForm(request.POST)
    if not form.is_valid():
        return problem(request, 400, "invalid", "Choose a product.")
    if cart := cart_of(request):
        carts.remove(cart, form.cleaned_data["product"])
    return redirect("cart")
