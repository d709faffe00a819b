"""Demo data: the same for the same numbers, and nothing twice when run again."""

import random
import uuid
from argparse import ArgumentParser
from itertools import cycle, islice

from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand
from django.core.management.color import no_style
from django.db import connection, transaction

from store.models import Category, Customer, Product, Review

# Demo data, no secret: written in README.md, and the same for everybody.
CUSTOMER_PASSWORD = "customer"
ADMIN_PASSWORD = "admin"
STOCK = 5000

CATEGORIES = {"rings": "Rings", "necklaces": "Necklaces", "earrings": "Earrings", "bracelets": "Bracelets", "watches": "Watches"}
SINGULAR = {"rings": "ring", "necklaces": "necklace", "earrings": "earrings", "bracelets": "bracelet", "watches": "watch"}
WITH = {"necklaces": ", on a fine chain", "bracelets": ", with a safety chain", "watches": ", with a leather strap"}
METALS = ["Gold", "Silver", "Platinum", "Rose gold", "White gold", "Titanium"]
STONES = ["diamond", "ruby", "sapphire", "emerald", "pearl", "opal", "amethyst", "topaz", "garnet", "onyx"]
STYLES = ["Classic", "Art deco", "Vintage", "Modern", "Royal", "Minimal", "Floral", "Celtic"]
OPINIONS = ["Beautiful.", "Smaller than I thought.", "A perfect gift.", "Shines like in the picture.", "The clasp is weak."]
REVIEWS_EACH = 3


class Command(BaseCommand):
    help = "Creates demo products, customers (customer1@example.test, ...), reviews and a staff account (admin@example.test)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--products", type=int, default=500)
        parser.add_argument("--customers", type=int, default=200)

    @transaction.atomic
    def handle(self, *args: object, products: int, customers: int, **options: object) -> None:
        seed_products(products)
        seed_customers(customers)
        seed_reviews(min(products, 100), customers)
        self.stdout.write(f"{Product.objects.count()} products, {Customer.objects.count()} accounts")


def seed_products(count: int) -> None:
    Category.objects.bulk_create([Category(slug=slug, name=name) for slug, name in CATEGORIES.items()], ignore_conflicts=True)
    categories = {category.slug: category for category in Category.objects.all()}
    # Ids are 1 to `count`, so that a load generator knows products without having crawled the shop.
    rows = [product(number, categories[slug]) for number, slug in enumerate(islice(cycle(CATEGORIES), count), start=1)]
    Product.objects.bulk_create(rows, ignore_conflicts=True)
    with connection.cursor() as cursor:  # the next product made without an id comes after these
        for statement in connection.ops.sequence_reset_sql(no_style(), [Product]):
            cursor.execute(statement)


def product(number: int, category: Category) -> Product:
    chance = random.Random(f"product {number}")
    style, metal, stone = chance.choice(STYLES), chance.choice(METALS), chance.choice(STONES)
    thing, extra = SINGULAR[category.slug], WITH.get(category.slug, "")
    return Product(
        pk=number, category=category, sku=f"{category.slug[:2].upper()}-{number:05}", stock=STOCK,
        name=f"{style} {metal.lower()} {thing} with {stone}", price_cents=chance.randrange(1_900, 250_000, 100) + 99,
        description=f"A {style.lower()} piece of {metal.lower()}, set with {stone}{extra}. Number {number} of our collection, made by hand.",
    )


def seed_customers(count: int) -> None:
    wanted = [
        account(f"customer{number}@example.test", f"Customer {number}", address=f"{number} Market Street, Springfield")
        for number in range(1, count + 1)
    ]
    wanted.append(account("admin@example.test", "Admin", is_staff=True))
    there = set(Customer.objects.filter(email__in=[each.email for each in wanted]).values_list("email", flat=True))
    missing = [each for each in wanted if each.email not in there]
    for each in missing:
        # The salt is of the address, so that the same seed gives the same rows.
        salt = uuid.uuid5(uuid.NAMESPACE_URL, each.email).hex
        each.password = make_password(ADMIN_PASSWORD if each.is_staff else CUSTOMER_PASSWORD, salt=salt)
    Customer.objects.bulk_create(missing)


def account(email: str, name: str, address: str = "", is_staff: bool = False) -> Customer:
    return Customer(email=email, name=name, address=address, is_staff=is_staff)


def seed_reviews(products: int, customers: int) -> None:
    if Review.objects.exists():
        return
    writers = list(Customer.objects.filter(is_staff=False).order_by("pk")[:customers])
    reviewed = list(Product.objects.filter(pk__lte=products).order_by("pk"))
    reviews = []
    for each in reviewed:
        chance = random.Random(f"reviews of {each.pk}")
        ratings = [chance.randint(2, 5) for _ in writers[:REVIEWS_EACH]]
        for customer, rating in zip(chance.sample(writers, len(ratings)), ratings):
            reviews.append(Review(product=each, customer=customer, rating=rating, text=chance.choice(OPINIONS)))
        each.rating_sum, each.rating_count = sum(ratings), len(ratings)
    Review.objects.bulk_create(reviews)
    Product.objects.bulk_update(reviewed, ["rating_sum", "rating_count"])
