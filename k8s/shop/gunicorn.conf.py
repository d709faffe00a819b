"""
How the shop is served. Run as `gunicorn jewelry.wsgi:application` in this folder; every setting is an environment
variable, listed in README.md.
"""

import os
import shutil
import tempfile
from pathlib import Path

from jewelry import environment, metrics_server
from jewelry.worker_slots import WorkerSlots

bind = environment.text("SHOP_BIND", "127.0.0.1:8000")
workers = environment.number("SHOP_WORKERS", 4, least=1)
threads = environment.number("SHOP_THREADS", 16, least=1)
worker_class = "gthread"

# A worker takes no more connections than it has threads. Otherwise some workers queue requests behind stalled ones while
# others have free threads, and a health check stuck in such a queue fails although the worker is well.
worker_connections = threads

# No keep-alive unless asked for: when a worker is killed, only the requests it is working on are lost. With keep-alive
# so is each idle connection it holds, and the client finds out by an error on its next request.
keepalive = environment.number("SHOP_KEEPALIVE", 0)

backlog = 2048
graceful_timeout = 10  # seconds for requests in flight when the shop is told to stop
timeout = 60  # seconds without a sign of life from a worker's main loop; stalled threads do not count
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # signs of life must not wait for a disk
control_socket_disable = True  # nobody uses it, and its path is shared by all shops of a user
errorlog = "-"
loglevel = "info"

# Where workers write their numbers, for all to read.
_chosen_folder = environment.text("SHOP_METRICS_DIR", "")
_folder = Path(_chosen_folder or tempfile.mkdtemp(prefix="shop-metrics-"))
_folder.mkdir(parents=True, exist_ok=True)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_folder)

_metrics_port = environment.number("SHOP_METRICS_PORT", 0)
_metrics_host = environment.text("SHOP_METRICS_HOST", "127.0.0.1")
_slots = WorkerSlots()


def on_starting(server):
    for left_over in _folder.glob("*.db"):
        left_over.unlink()


def when_ready(server):
    if _metrics_port:
        metrics_server.start(_metrics_host, _metrics_port)
        server.log.info("Metrics on http://%s:%s/metrics", _metrics_host, _metrics_port)


def pre_fork(server, worker):
    worker.slot = _slots.take(worker)


def post_fork(server, worker):
    metrics_server.forget_in_child()
    _slots.name_metric_files_by(worker.slot)


def post_worker_init(worker):
    from jewelry.warm_up import warm_up  # needs Django, which the worker has set up by now

    warm_up()


def child_exit(server, worker):
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.slot)  # removes its gauges; its counters are history and stay
    _slots.give_back(worker)


def on_exit(server):
    shutil.rmtree(_folder, ignore_errors=True)
