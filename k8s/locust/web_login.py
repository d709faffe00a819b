"""Who may use Locust's web interface when it is started with --web-login: a person with name and password, and programs with a token.

Put one line into any locustfile, with this file's folder on PYTHONPATH:

    import web_login

Settings, from the environment; all three are needed with --web-login, and Locust ends at once when one is missing:
    LOCUST_LOGIN_USER, LOCUST_LOGIN_PASSWORD    what the form at /login asks for
    LOCUST_LOGIN_TOKEN                          what a program sends as `Authorization: Bearer`
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gevent
from flask import Request, redirect, request, session
from flask_login import UserMixin, login_user
from locust import events
from locust.env import Environment
from locust.web import WebUI

REFUSAL_TAKES_S = 1.0  # who tries passwords one after another gets nowhere


@dataclass(frozen=True)
class Visitor(UserMixin):
    """Flask-Login's idea of who is there."""

    id: str


@dataclass(frozen=True)
class Keys:
    user: str
    password: str
    token: str

    @staticmethod
    def read(environment: Mapping[str, str]) -> Keys:
        names = ("LOCUST_LOGIN_USER", "LOCUST_LOGIN_PASSWORD", "LOCUST_LOGIN_TOKEN")
        missing = [name for name in names if not environment.get(name)]
        if missing:
            # Not an Exception, which Locust would log and then go on without a login.
            raise SystemExit(f"--web-login needs {', '.join(missing)} in the environment; see web_login.py")
        return Keys(*(environment[name] for name in names))

    def open_form(self, user: str, password: str) -> bool:
        return all((same(user, self.user), same(password, self.password)))

    def open_request(self, asked: Request) -> bool:
        return same(asked.headers.get("Authorization", ""), f"Bearer {self.token}")


def same(given: str, wanted: str) -> bool:
    """In a time that does not tell how much of it was right."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def protect(web: WebUI, keys: Keys) -> None:
    web.app.config.update(
        SECRET_KEY=secrets.token_bytes(32),  # signs cookies; after a restart people log in again
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",  # a page elsewhere cannot start a load in the name of who is logged in here
    )
    web.auth_args = {"username_password_callback": "/login/check"}
    web.login_manager.user_loader(lambda user: Visitor(user) if same(user, keys.user) else None)
    web.login_manager.request_loader(lambda asked: Visitor("program") if keys.open_request(asked) else None)

    @web.app.post("/login/check")
    def check() -> Any:
        if keys.open_form(request.form.get("username", ""), request.form.get("password", "")):
            login_user(Visitor(keys.user))
            return redirect("/")
        gevent.sleep(REFUSAL_TAKES_S)
        session["auth_error"] = "No such name and password."
        return redirect("/login")


@events.init.add_listener
def on_init(environment: Environment, **_: object) -> None:
    if environment.web_ui and environment.web_ui.web_login:
        protect(environment.web_ui, Keys.read(os.environ))
