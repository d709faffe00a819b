import uuid

from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from store.carts import cart_of, carts
from store.models import Order
from store.ordering import CartEmpty, OrderRefused, place_order
from store.views.access import customer_only
from store.views.cart import lines_of
from store.views.problems import problem, wants_json


class CheckoutForm(forms.Form):
    order_id = forms.UUIDField(widget=forms.HiddenInput)
    # Left out, they are the account's.
    name = forms.CharField(max_length=100, required=False)
    address = forms.CharField(max_length=300, required=False)


@customer_only
@require_http_methods(["GET", "HEAD", "POST"])
def checkout(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return place(request)
    cart = cart_of(request)
    lines = lines_of(carts.quantities(cart)) if cart else []
    if not lines:
        return redirect("cart")
    form = CheckoutForm(initial={"order_id": uuid.uuid4(), "name": request.user.name, "address": request.user.address})
    return summary(request, form, lines)


def place(request: HttpRequest) -> HttpResponse:
    """201 for a new order, 200 for one placed before under the same id: the page itself, so sending it twice is safe."""
    form = CheckoutForm(request.POST)
    cart = cart_of(request)
    quantities = carts.quantities(cart) if cart else {}
    if not form.is_valid():
        if wants_json(request):
            return JsonResponse({"error": "invalid", "fields": form.errors}, status=400)
        return summary(request, form, lines_of(quantities), status=400)
    customer = request.user
    ship_to = f"{form.cleaned_data['name'] or customer.name}, {form.cleaned_data['address'] or customer.address}"
    try:
        order, is_new = place_order(form.cleaned_data["order_id"], customer, quantities, ship_to)
    except OrderRefused as refused:
        return problem(request, 400 if isinstance(refused, CartEmpty) else 409, refused.code, str(refused))
    # After the commit, and not for an order placed before: the cart may hold something new by now.
    if cart and is_new:
        carts.empty(cart)
    return answer(request, order, 201 if is_new else 200)


def answer(request: HttpRequest, order: Order, status: int) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"order_id": str(order.pk), "status": order.status, "total_cents": order.total_cents}, status=status)
    lines = order.lines.select_related("product").order_by("pk")
    return render(request, "order.html", {"title": "Thank you", "order": order, "lines": lines}, status=status)


def summary(request: HttpRequest, form: CheckoutForm, lines: list, status: int = 200) -> HttpResponse:
    total_cents = sum(line.total_cents for line in lines)
    return render(request, "checkout.html", {"title": "Checkout", "form": form, "lines": lines, "total_cents": total_cents}, status=status)
