from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from store.models import REVIEW_FIELDS, Customer, Product, Review
from store.paging import page_of
from store.views.access import customer_only
from store.views.problems import problem


class ReviewForm(forms.Form):
    rating = forms.IntegerField(min_value=1, max_value=5)
    text = forms.CharField(max_length=2000, required=False)


@require_http_methods(["GET", "HEAD", "POST"])
def reviews(request: HttpRequest, pk: int) -> HttpResponse:
    if request.method == "POST":
        return write(request, pk)
    product = get_object_or_404(Product.objects.only("name", "rating_sum", "rating_count"), pk=pk)
    newest = product.reviews.select_related("customer").only(*REVIEW_FIELDS).order_by("-written_at", "pk")
    page = page_of(request, newest, lambda: product.rating_count)
    return render(request, "reviews.html", {"title": f"Reviews of {product.name}", "product": product, "page": page})


@customer_only
def write(request: HttpRequest, pk: int) -> HttpResponse:
    form = ReviewForm(request.POST)
    if not form.is_valid():
        return problem(request, 400, "invalid", "Rate from 1 to 5, with up to 2,000 characters of text.")
    save_review(pk, request.user, form.cleaned_data["rating"], form.cleaned_data["text"])
    messages.success(request, "Thank you for your review.")
    return redirect("product", pk=pk)


@transaction.atomic
def save_review(product_id: int, customer: Customer, rating: int, text: str) -> None:
    """One review for each customer and product: a second one replaces the first."""
    # The product's lock makes reviews of one product take turns, so that its sum is that of its reviews.
    product = get_object_or_404(Product.objects.select_for_update(no_key=True).only("pk"), pk=product_id)
    earlier = Review.objects.filter(product=product, customer=customer).first()
    if earlier:
        change, one_more = rating - earlier.rating, 0
        Review.objects.filter(pk=earlier.pk).update(rating=rating, text=text)
    else:
        change, one_more = rating, 1
        Review.objects.create(product=product, customer=customer, rating=rating, text=text)
    Product.objects.filter(pk=product.pk).update(rating_sum=F("rating_sum") + change, rating_count=F("rating_count") + one_more)
