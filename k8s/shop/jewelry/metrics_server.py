"""
/metrics and /healthz from a thread of gunicorn's master: it answers even when each thread of each worker is stuck or busy.
An orchestrator that asks a busy worker takes overload for sickness, and gives those that are left still more to do.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from jewelry import exposition

_server: ThreadingHTTPServer | None = None


class Exposition(BaseHTTPRequestHandler):
    timeout = 5  # seconds for a client to send its request

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                self.answer(exposition.text(), exposition.CONTENT_TYPE)
            case "/healthz":
                self.answer(b"ok\n", "text/plain")
            case _:
                self.send_error(404)

    def answer(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not worth a line each."""


class MetricsServer(ThreadingHTTPServer):
    daemon_threads = True
    # The shop's own address, so that a port in use is an error and never shared with another shop.
    allow_reuse_port = False


def start(host: str, port: int) -> None:
    global _server
    _server = MetricsServer((host, port), Exposition)
    Thread(target=_server.serve_forever, name="metrics", daemon=True).start()


def forget_in_child() -> None:
    """A worker inherits the socket but not the thread: left open, it would keep the port after the master's death."""
    if _server:
        _server.socket.close()
