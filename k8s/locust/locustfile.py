"""The jewelry shop's customers and its staff: six patterns of behaviour over twelve customer tasks and three of staff.

A pattern is data: who does which task how often, with what pauses, and how many of the users behave so. Each pattern is one
User class, so that Locust's own `--class-picker`, `--list` and user weights show them.

Settings, from the environment:
    SHOP_THINK_SCALE         1.0   multiplies every think time (1-3 s); also --think-scale, and a test's own argument `think_scale`
    SHOP_REQUEST_TIMEOUT_S   10    how long an answer may take; connecting has 5 s
    SHOP_CUSTOMERS           200   as seeded: customer1@example.test and so on; more users than these share accounts
    SHOP_PRODUCTS            500   as seeded: ids 1, 2, 3...
    SHOP_CUSTOMER_PASSWORD, SHOP_ADMIN_PASSWORD    as seeded; the member of staff is admin@example.test
"""

from __future__ import annotations

import itertools
import os
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser

import faultline_listeners  # noqa: F401  (posts what this process does to faultline's bridge)
import web_login  # noqa: F401  (asks who uses the web interface, with --web-login)

REQUEST_TIMEOUT_S = float(os.environ.get("SHOP_REQUEST_TIMEOUT_S", "10"))
CUSTOMERS = int(os.environ.get("SHOP_CUSTOMERS", "200"))
PRODUCTS = int(os.environ.get("SHOP_PRODUCTS", "500"))
CUSTOMER_PASSWORD = os.environ.get("SHOP_CUSTOMER_PASSWORD", "customer")  # demo data, no secrets
ADMIN_PASSWORD = os.environ.get("SHOP_ADMIN_PASSWORD", "admin")

CATEGORIES = ("rings", "necklaces", "earrings", "bracelets", "watches")
WORDS = ("gold", "silver ring", "vintage", "pearl", "diamond necklace", "royal ruby")
OPINIONS = ("Beautiful.", "A perfect gift.", "Smaller than I thought.")


@events.init_command_line_parser.add_listener
def on_command_line(parser: LocustArgumentParser) -> None:
    """Arguments that each test may have its own value of: in the web interface, and as `load.parameters` of an experiment."""
    parser.add_argument("--think-scale", type=float, default=1.0, env_var="SHOP_THINK_SCALE", help="Multiplies every think time")


# Order ids that the shop has acknowledged, newest last: the one place to look for a write that was acknowledged and then lost.
acknowledged_orders: deque[str] = deque(maxlen=100_000)

# Each process starts somewhere else among the seeded customers, and hands out one after the other.
customer_numbers = itertools.count(random.randrange(CUSTOMERS))


@dataclass(frozen=True)
class Pattern:
    """How one kind of person uses the shop."""

    name: str
    weight: int  # share of the users, in relation to the other patterns' weights
    tasks: Mapping[Callable[[Any], None], int]  # task -> share of what this person does
    think_s: tuple[float, float] = (1.0, 3.0)  # least and most pause between two tasks, before the think scale


class ShopVisitor(FastHttpUser):
    """What customers and staff have in common: a browser's cookies, Django's CSRF rule, and a pattern."""

    abstract = True
    connection_timeout = 5.0
    network_timeout = REQUEST_TIMEOUT_S
    pattern: ClassVar[Pattern]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "pattern" not in cls.__dict__:
            return
        # Here and not as a `tasks` attribute, to which Locust would add every task of the base class.
        cls.tasks = [a_task for a_task, share in cls.pattern.tasks.items() for _ in range(share)]
        cls.weight = cls.pattern.weight

    def wait_time(self) -> float:
        return random.uniform(*self.pattern.think_s) * self.environment.parsed_options.think_scale

    def read(self, path: str, name: str) -> None:
        """GETs a page; `name` is what its statistics are grouped under."""
        self.client.get(path, name=name)

    @contextmanager
    def write(self, path: str, name: str, fields: Mapping[str, object], **headers: str) -> Iterator[Any]:
        """POSTs a form as the shop's own pages do, and leaves it to the body of the `with` to say that an answer is no success."""
        form = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": self.csrf_token(), **headers}
        with self.client.post(path, name=name, data=urlencode(fields), headers=form, catch_response=True) as response:
            yield response

    def csrf_token(self) -> str:
        """Looked up for each write, because Django changes it at sign-in."""
        if not self.cookie("csrftoken"):
            self.read("/login", "/login")  # a page with a form sets it
        return self.cookie("csrftoken")

    def cookie(self, name: str) -> str:
        return next((cookie.value or "" for cookie in self.client.cookiejar if cookie.name == name), "")

    def sign_in(self, email: str, password: str) -> None:
        with self.write("/login", "/login", {"email": email, "password": password}) as response:
            if response.ok and not self.signed_in:
                response.failure("not signed in: is the shop seeded, and its password the one in the environment?")

    @property
    def signed_in(self) -> bool:
        return self.cookie("sessionid") != ""


class JewelryShopUser(ShopVisitor):
    """A customer. The tasks are what the shop offers; the patterns below say who uses how much of it."""

    abstract = True

    def on_start(self) -> None:
        self.email = f"customer{next(customer_numbers) % CUSTOMERS + 1}@example.test"
        self.own_orders: deque[str] = deque(maxlen=20)

    def need_account(self) -> None:
        """Signs in when a task first needs it. All at the start would make the ramp-up a test of password hashing."""
        if not self.signed_in:
            self.sign_in(self.email, CUSTOMER_PASSWORD)

    @task
    def browse_catalogue(self) -> None:
        self.read(f"/catalogue?page={random.randint(1, 5)}", "/catalogue")

    @task
    def browse_category(self) -> None:
        self.read(f"/category/{random.choice(CATEGORIES)}", "/category/[slug]")

    @task
    def search(self) -> None:
        self.read(f"/search?{urlencode({'q': random.choice(WORDS)})}", "/search")

    @task
    def view_product(self) -> None:
        self.read(f"/product/{some_product()}", "/product/[id]")

    @task
    def view_cart(self) -> None:
        self.read("/cart", "/cart")

    @task
    def add_to_cart(self) -> None:
        with self.write("/cart/add", "/cart/add", {"product": some_product(), "quantity": random.randint(1, 2)}):
            pass

    @task
    def check_out(self) -> None:
        """The customer chooses the order's id, so that one sent twice is one order, and one acknowledged can be looked for."""
        self.need_account()
        self.add_to_cart()
        order_id = str(uuid.uuid4())
        with self.write("/checkout", "/checkout", {"order_id": order_id}, Accept="application/json") as response:
            if not response.ok:
                return
            if order_id not in (response.text or ""):  # such as the login page, to which a lost session is sent
                response.failure("no order was acknowledged")
                return
        acknowledged_orders.append(order_id)
        self.own_orders.append(order_id)

    @task
    def list_orders(self) -> None:
        self.need_account()
        self.read("/orders", "/orders")

    @task
    def view_order(self) -> None:
        if not self.own_orders:
            return self.list_orders()  # as a person would, who does not know an order's id
        self.read(f"/orders/{random.choice(self.own_orders)}", "/orders/[id]")

    @task
    def view_account(self) -> None:
        self.need_account()
        self.read("/account", "/account")

    @task
    def use_wishlist(self) -> None:
        self.need_account()
        with self.write("/wishlist/add", "/wishlist/add", {"product": some_product()}):
            pass  # it answers with the wishlist

    @task
    def use_reviews(self) -> None:
        """Reads what others say, and one in five adds to it."""
        path = f"/product/{some_product()}/reviews"
        self.read(path, "/product/[id]/reviews")
        if random.random() < 0.2:
            self.need_account()
            with self.write(path, "/product/[id]/reviews", {"rating": random.randint(2, 5), "text": random.choice(OPINIONS)}):
                pass


def some_product() -> int:
    return random.randint(1, PRODUCTS)


class WindowShopper(JewelryShopUser):
    """Looks at what there is, and leaves."""

    pattern = Pattern(
        name="window shopper",
        weight=35,
        tasks={
            JewelryShopUser.browse_catalogue: 4,
            JewelryShopUser.browse_category: 4,
            JewelryShopUser.view_product: 6,
        },
    )


class Searcher(JewelryShopUser):
    """Knows a word for it."""

    pattern = Pattern(
        name="searcher",
        weight=20,
        tasks={
            JewelryShopUser.search: 6,
            JewelryShopUser.view_product: 4,
            JewelryShopUser.add_to_cart: 1,
        },
    )


class Comparer(JewelryShopUser):
    """Goes back and forth between products and what others say of them."""

    pattern = Pattern(
        name="comparer",
        weight=15,
        tasks={
            JewelryShopUser.browse_category: 2,
            JewelryShopUser.view_product: 6,
            JewelryShopUser.use_reviews: 4,
            JewelryShopUser.use_wishlist: 2,
        },
    )


class Buyer(JewelryShopUser):
    """Fills a cart and pays."""

    pattern = Pattern(
        name="buyer",
        weight=15,
        tasks={
            JewelryShopUser.search: 1,
            JewelryShopUser.view_product: 3,
            JewelryShopUser.add_to_cart: 3,
            JewelryShopUser.view_cart: 2,
            JewelryShopUser.check_out: 2,
            JewelryShopUser.view_order: 1,
        },
    )


class ReturningCustomer(JewelryShopUser):
    """Asks where the order is, and looks after the account."""

    pattern = Pattern(
        name="returning customer",
        weight=10,
        tasks={
            JewelryShopUser.view_account: 2,
            JewelryShopUser.list_orders: 3,
            JewelryShopUser.view_order: 3,
            JewelryShopUser.use_wishlist: 1,
            JewelryShopUser.use_reviews: 1,
            JewelryShopUser.check_out: 1,
        },
    )


class AdminUser(ShopVisitor):
    """A member of staff: few, but with the heaviest queries."""

    def on_start(self) -> None:
        self.sign_in("admin@example.test", ADMIN_PASSWORD)

    @task
    def view_dashboard(self) -> None:
        self.read("/admin/dashboard", "/admin/dashboard")

    @task
    def check_stock(self) -> None:
        self.read("/admin/stock", "/admin/stock")

    @task
    def review_orders(self) -> None:
        self.read("/admin/orders", "/admin/orders")

    pattern = Pattern(
        name="administrator",
        weight=5,
        tasks={view_dashboard: 3, check_stock: 2, review_orders: 3},
    )


USERS = (WindowShopper, Searcher, Comparer, Buyer, ReturningCustomer, AdminUser)
