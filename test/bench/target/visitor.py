"""The users of the service that is measured. Each failed request is noted in a file beside this one, with the moment in which its end
was known here, in nanoseconds of CLOCK_MONOTONIC, which all processes of the machine share.
"""

from __future__ import annotations

import os
import time

from locust import FastHttpUser, between, events, task

import faultline_listeners  # noqa: F401  (posts what this process does to faultline's bridge, where there is one)

failures = os.open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "failures"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


@events.request.add_listener
def note_failure(exception: object = None, **_: object) -> None:
    if exception:
        os.write(failures, b"%d\n" % time.monotonic_ns())


class Visitor(FastHttpUser):
    wait_time = between(0.05, 0.15)  # at random: users who all ask at once would leave a short pause unseen

    @task
    def visit(self) -> None:
        self.client.get("/")
