"""Django's settings. What an operator may change is in the environment; see README.md."""

from pathlib import Path

from jewelry import environment

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = environment.text("SHOP_SECRET_KEY")
ALLOWED_HOSTS = environment.text("SHOP_ALLOWED_HOSTS", "*").split(",")
DEBUG = False

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "store",
]

MIDDLEWARE = [
    "jewelry.metrics.RequestMetrics",  # first: it must see the final status, whoever set it
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",  # Content-Length: without it each answer goes out in chunks
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "jewelry.urls"
WSGI_APPLICATION = "jewelry.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,  # with DEBUG off, parsed templates are cached
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": environment.database(environment.text("DATABASE_URL"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS = environment.redis()
IN_MEMORY = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
if REDIS:
    CACHES = {"here": IN_MEMORY, "default": {"BACKEND": "store.redis_store.OptionalCache", "KEY_PREFIX": "shop"}}
    SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"  # a lost Redis loses no login
else:
    CACHES = {"here": IN_MEMORY, "default": IN_MEMORY}
    SESSION_ENGINE = "django.contrib.sessions.backends.db"

AUTH_USER_MODEL = "store.Customer"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "catalogue"
LOGOUT_REDIRECT_URL = "catalogue"

# Real hashing, but cheap: this shop is a target for load tests, and at Django's default (1,000,000 rounds) a few logins
# a second would be all the load a core can carry. Set SHOP_PASSWORD_ITERATIONS=1000000 where real people log in.
PASSWORD_ITERATIONS = environment.number("SHOP_PASSWORD_ITERATIONS", 1000, least=1)
PASSWORD_HASHERS = ["store.passwords.ConfiguredPBKDF2"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"  # no session needed for a visitor
CSRF_COOKIE_HTTPONLY = False  # scripts send it back in the X-CSRFToken header
CSRF_FAILURE_VIEW = "store.views.problems.csrf_refused"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = environment.number("SHOP_HTTPS_ONLY", 0) > 0

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False

# What a program shows to place an order by id (basic authentication, any user); without it none may.
ORDERS_PASSWORD = environment.text("SHOP_ORDERS_PASSWORD", "")

LATENCY_BUCKETS_S = environment.seconds_list("SHOP_LATENCY_BUCKETS", environment.DEFAULT_LATENCY_BUCKETS_S)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {"outage": {"()": "jewelry.outage.OneLinePerOutage"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["outage"]}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        # Django's own handlers are off with DEBUG off, apart from mail to administrators, which nobody here reads.
        "django": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
    },
}
