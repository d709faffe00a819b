"""
Where carts are kept: in Redis when it is configured, else in the database.

A cart is product ids with quantities under a random id, which the visitor's browser holds in a cookie; it needs no account.
"""

import uuid
from typing import Protocol

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Least
from django.http import HttpRequest, HttpResponse

from store.models import MAX_QUANTITY, CartLine

COOKIE = "cart"
KEPT_S = 14 * 24 * 3600

Quantities = dict[int, int]  # by product id


class Carts(Protocol):
    def quantities(self, cart: uuid.UUID) -> Quantities: ...
    def add(self, cart: uuid.UUID, product: int, quantity: int) -> None: ...
    def put(self, cart: uuid.UUID, product: int, quantity: int) -> None: ...
    def remove(self, cart: uuid.UUID, product: int) -> None: ...
    def empty(self, cart: uuid.UUID) -> None: ...


class DatabaseCarts:
    def quantities(self, cart: uuid.UUID) -> Quantities:
        return dict(CartLine.objects.filter(cart=cart).order_by("product_id").values_list("product_id", "quantity"))

    def add(self, cart: uuid.UUID, product: int, quantity: int) -> None:
        line, created = CartLine.objects.get_or_create(cart=cart, product_id=product, defaults={"quantity": quantity})
        if not created:
            CartLine.objects.filter(pk=line.pk).update(quantity=Least(F("quantity") + quantity, MAX_QUANTITY))

    def put(self, cart: uuid.UUID, product: int, quantity: int) -> None:
        CartLine.objects.filter(cart=cart, product_id=product).update(quantity=quantity)

    def remove(self, cart: uuid.UUID, product: int) -> None:
        CartLine.objects.filter(cart=cart, product_id=product).delete()

    def empty(self, cart: uuid.UUID) -> None:
        CartLine.objects.filter(cart=cart).delete()


class RedisCarts:
    """One hash a cart, `cart:<id>`: field product id, value quantity."""

    def __init__(self) -> None:
        from store.redis_store import client  # only imported where Redis is configured

        self._redis = client()

    @staticmethod
    def _key(cart: uuid.UUID) -> str:
        return f"cart:{cart}"

    def quantities(self, cart: uuid.UUID) -> Quantities:
        return {int(product): int(quantity) for product, quantity in sorted(self._redis.hgetall(self._key(cart)).items())}

    def add(self, cart: uuid.UUID, product: int, quantity: int) -> None:
        key = self._key(cart)
        with self._redis.pipeline(transaction=True) as commands:
            total, _ = commands.hincrby(key, str(product), quantity).expire(key, KEPT_S).execute()
        if total > MAX_QUANTITY:
            self._redis.hset(key, str(product), MAX_QUANTITY)

    def put(self, cart: uuid.UUID, product: int, quantity: int) -> None:
        if self._redis.hexists(self._key(cart), str(product)):
            self._redis.hset(self._key(cart), str(product), quantity)

    def remove(self, cart: uuid.UUID, product: int) -> None:
        self._redis.hdel(self._key(cart), str(product))

    def empty(self, cart: uuid.UUID) -> None:
        self._redis.delete(self._key(cart))


carts: Carts = RedisCarts() if settings.REDIS else DatabaseCarts()


def cart_of(request: HttpRequest) -> uuid.UUID | None:
    """The visitor's cart, if there is one yet. What is no UUID is nobody's cart."""
    try:
        return uuid.UUID(request.COOKIES.get(COOKIE, ""))
    except ValueError:
        return None


def remember(response: HttpResponse, cart: uuid.UUID) -> None:
    response.set_cookie(COOKIE, str(cart), max_age=KEPT_S, httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
