"""Makes the database what this version of the shop needs: waits for it, migrates, seeds. May be run again, and by two at once."""

import time
from argparse import ArgumentParser

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection

LOCK = 7_461_002  # any number that nobody else in this database locks
BETWEEN_TRIES_S = 0.5


class Command(BaseCommand):
    help = "Waits for the database, migrates it and seeds it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--products", type=int, default=500)
        parser.add_argument("--customers", type=int, default=200)
        parser.add_argument("--within", type=float, default=120, help="seconds to wait for a database that takes writes")

    def handle(self, *args: object, products: int, customers: int, within: float, **options: object) -> None:
        wait_for_database(within)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])  # given back with the connection
        call_command("migrate", verbosity=0)
        call_command("seed", products=products, customers=customers, stdout=self.stdout)


def wait_for_database(within_s: float) -> None:
    given_up_s = time.monotonic() + within_s
    while True:
        try:
            connection.ensure_connection()
            return
        except OperationalError as error:
            if time.monotonic() > given_up_s:
                raise CommandError(f"no database that takes writes within {within_s:g} s: {error}") from error
            time.sleep(BETWEEN_TRIES_S)
