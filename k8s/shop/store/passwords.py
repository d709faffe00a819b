from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher


class ConfiguredPBKDF2(PBKDF2PasswordHasher):
    """PBKDF2 with the environment's number of rounds; a password is hashed anew at login when that number has changed."""

    iterations = settings.PASSWORD_ITERATIONS
