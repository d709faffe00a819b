import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.urls import reverse

MAX_QUANTITY = 99


class CustomerManager(BaseUserManager["Customer"]):
    def create_customer(self, email: str, password: str, name: str) -> "Customer":
        customer = self.model(email=email.lower(), name=name)
        customer.set_password(password)
        customer.save(using=self._db)
        return customer


class Customer(AbstractBaseUser):
    """Everybody with an account. Staff see the admin pages."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100)
    address = models.CharField(max_length=300, blank=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    last_login = None  # nobody reads it, and it would cost a write on every login

    objects = CustomerManager()
    USERNAME_FIELD = "email"


class Category(models.Model):
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=50)

    class Meta:
        ordering = ["name"]


class Product(models.Model):
    category = models.ForeignKey(Category, on_delete=models.PROTECT)
    sku = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=100)
    description = models.TextField()
    price_cents = models.PositiveIntegerField()
    stock = models.PositiveIntegerField()  # positive by a CHECK in the database too: a bug cannot oversell
    # Kept beside the reviews, in their transaction, so that a page of products needs no aggregate.
    rating_sum = models.PositiveIntegerField(default=0)
    rating_count = models.PositiveIntegerField(default=0)
    search = models.GeneratedField(
        expression=SearchVector("name", "description", config="english"), output_field=SearchVectorField(), db_persist=True,
    )

    class Meta:
        indexes = [GinIndex(fields=["search"], name="product_search"), models.Index(fields=["stock"], name="product_stock")]

    def get_absolute_url(self) -> str:
        return reverse("product", args=[self.pk])

    @property
    def rating(self) -> float | None:
        return self.rating_sum / self.rating_count if self.rating_count else None


class Review(models.Model):
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="reviews")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    rating = models.PositiveSmallIntegerField()
    text = models.TextField(max_length=2000, blank=True)
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["product", "-written_at"], name="review_newest")]
        constraints = [
            models.UniqueConstraint(fields=["customer", "product"], name="one_review_each"),
            models.CheckConstraint(condition=models.Q(rating__range=(1, 5)), name="rating_one_to_five"),
        ]


# What a page shows of a review. The product's key too: the manager of a product's reviews sets each one's product, and would ask the
# database for the key of each.
REVIEW_FIELDS = ("product", "rating", "text", "written_at", "customer__name")


class WishlistItem(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "product"], name="wished_once")]


class CartLine(models.Model):
    """A line of a cart, where no Redis is configured; see carts.py."""

    cart = models.UUIDField()
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    quantity = models.PositiveIntegerField()
    touched_at = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cart", "product"], name="line_once_in_cart")]


class Order(models.Model):
    class Status(models.TextChoices):
        PLACED = "placed"
        PAID = "paid"
        SHIPPED = "shipped"
        CANCELLED = "cancelled"

    # Chosen by the client, so that it can ask for an order whose acknowledgement was lost on the way.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    ship_to = models.CharField(max_length=400)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PLACED)
    total_cents = models.PositiveBigIntegerField()
    placed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["customer", "-placed_at"], name="order_of_customer"),
            models.Index(fields=["-placed_at"], name="order_newest"),
        ]


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
    unit_price_cents = models.PositiveIntegerField()  # as it was when ordered

    @property
    def total_cents(self) -> int:
        return self.quantity * self.unit_price_cents
