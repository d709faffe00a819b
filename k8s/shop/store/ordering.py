"""Turns a cart into an order, once and only once, or not at all."""

import uuid

from django.db import IntegrityError, transaction

from store.carts import Quantities
from store.models import Customer, Order, OrderLine, Product


class OrderRefused(Exception):
    """The order cannot be placed; `code` is stable, the text is for the customer."""

    code = "refused"


class CartEmpty(OrderRefused):
    code = "cart_empty"


class OutOfStock(OrderRefused):
    code = "out_of_stock"


class OrderIdTaken(OrderRefused):
    code = "order_id_taken"


def place_order(order_id: uuid.UUID, customer: Customer, quantities: Quantities, ship_to: str) -> tuple[Order, bool]:
    """
    The order under this id, and whether it is new. It is committed when this returns.

    Asked again with the same id, by a client that never saw the first answer, it gives the first order.
    """
    if found := _placed_before(order_id, customer):
        return found, False
    try:
        with transaction.atomic():
            return _place(order_id, customer, quantities, ship_to), True
    except IntegrityError:  # the same id, placed by a request that overtook this one
        if found := _placed_before(order_id, customer):
            return found, False
        raise


def _placed_before(order_id: uuid.UUID, customer: Customer) -> Order | None:
    found = Order.objects.filter(pk=order_id).first()
    if found and found.customer_id != customer.pk:
        raise OrderIdTaken("This order id is in use.")
    return found


def _place(order_id: uuid.UUID, customer: Customer, quantities: Quantities, ship_to: str) -> Order:
    if not quantities:
        raise CartEmpty("The cart is empty.")
    # Locks are taken in one order, first the order id (by its insert), then products by rising id: two checkouts can
    # wait for each other's product, but never in a circle. NO KEY: others may still refer to these products meanwhile.
    order = Order.objects.create(id=order_id, customer=customer, ship_to=ship_to, total_cents=0)
    products = list(Product.objects.select_for_update(no_key=True).filter(pk__in=quantities).order_by("pk"))
    if missing := [product.name for product in products if product.stock < quantities[product.pk]]:
        raise OutOfStock(f"Not enough left of: {', '.join(missing)}.")
    for product in products:
        product.stock -= quantities[product.pk]
    Product.objects.bulk_update(products, ["stock"])
    lines = [
        OrderLine(order=order, product=product, quantity=quantities[product.pk], unit_price_cents=product.price_cents)
        for product in products
    ]
    if not lines:  # every product in the cart has been deleted since
        raise CartEmpty("Nothing in the cart is for sale any more.")
    OrderLine.objects.bulk_create(lines)
    order.total_cents = sum(line.total_cents for line in lines)
    order.save(update_fields=["total_cents"])
    return order


@transaction.atomic
def change_status(order_id: uuid.UUID, status: Order.Status) -> bool:
    """Cancelling puts the goods back, once: False when the order was cancelled before."""
    order = Order.objects.select_for_update(no_key=True).get(pk=order_id)
    if order.status == Order.Status.CANCELLED:
        return False
    if status == Order.Status.CANCELLED:
        returned = dict(order.lines.values_list("product_id", "quantity"))
        for product in Product.objects.select_for_update(no_key=True).filter(pk__in=returned).order_by("pk"):
            product.stock += returned[product.pk]
            product.save(update_fields=["stock"])
    order.status = status
    order.save(update_fields=["status"])
    return True
