from django.urls import path

from jewelry import health, metrics
from store.views import account, backoffice, cart, catalogue, checkout, orders, reviews, wishlist

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.exposition_page, name="metrics"),
    path("", catalogue.catalogue, name="home"),
    path("catalogue", catalogue.catalogue, name="catalogue"),
    path("category/<slug:slug>", catalogue.category, name="category"),
    path("search", catalogue.search, name="search"),
    path("product/<int:pk>", catalogue.product, name="product"),
    path("product/<int:pk>/reviews", reviews.reviews, name="reviews"),
    path("cart", cart.show, name="cart"),
    path("cart/add", cart.add, name="cart-add"),
    path("cart/update", cart.update, name="cart-update"),
    path("cart/remove", cart.remove, name="cart-remove"),
    path("checkout", checkout.checkout, name="checkout"),
    path("orders", orders.listing, name="orders"),
    path("orders/<uuid:pk>", orders.detail, name="order"),
    path("api/orders/<uuid:pk>", orders.by_id, name="order-receipt"),
    path("account", account.profile, name="account"),
    path("register", account.register, name="register"),
    path("login", account.Login.as_view(), name="login"),
    path("logout", account.Logout.as_view(), name="logout"),
    path("wishlist", wishlist.show, name="wishlist"),
    path("wishlist/add", wishlist.add, name="wishlist-add"),
    path("wishlist/remove", wishlist.remove, name="wishlist-remove"),
    path("admin/dashboard", backoffice.dashboard, name="admin"),
    path("admin/stock", backoffice.stock, name="admin-stock"),
    path("admin/stock/<int:pk>", backoffice.product, name="admin-product"),
    path("admin/orders", backoffice.orders, name="admin-orders"),
    path("admin/orders/<uuid:pk>", backoffice.order, name="admin-order"),
]

handler500 = "store.views.problems.server_error"
handler404 = "store.views.problems.not_found"
handler403 = "store.views.problems.forbidden"
