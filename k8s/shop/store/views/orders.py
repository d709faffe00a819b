import base64
import binascii
import secrets
import uuid

from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from store.models import Customer, Order, Product
from store.ordering import OrderRefused, place_order
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


# A program sends no cookie that a page of somebody else's could make it send, so there is nothing to forge.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "PUT"])
def by_id(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return place(request, pk) if request.method == "PUT" else receipt(request, pk)


def place(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """
    An order of one piece by a program, under an id of its own: 201, or 200 when it was placed before. It is committed when this answers.

    A prober remembers the ids that were acknowledged and asks for each of them again when the stores have been through something.
    """
    if not settings.ORDERS_PASSWORD:
        return problem(request, 403, "no_programs", "Programs may place no orders: SHOP_ORDERS_PASSWORD is not set.")
    if not _bears_password(request):
        response = problem(request, 401, "password_needed", "Placing an order by id needs the password of programs.")
        response.headers["WWW-Authenticate"] = 'Basic realm="orders"'
        return response
    customer = _program()
    products = Product.objects.order_by("pk")
    # one after another orders another product, or all would wait for the lock on one row
    product = products.filter(pk__gte=pk.int % (products.last().pk if products.exists() else 1)).first()
    try:
        order, is_new = place_order(pk, customer, {product.pk: 1} if product else {}, customer.name)
    except OrderRefused as refused:
        return problem(request, 409, refused.code, str(refused))
    return JsonResponse({"order_id": str(order.pk), "status": order.status}, status=201 if is_new else 200)


def _program() -> Customer:
    found, _ = Customer.objects.get_or_create(email="program@shop.invalid", defaults={"name": "Program", "password": "!"})  # nobody can log in
    return found


def _bears_password(request: HttpRequest) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        password = base64.b64decode(given, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return False
    return secrets.compare_digest(password, settings.ORDERS_PASSWORD.encode())


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
