"""What Django would else do in its first requests, done before a worker takes any: a new shop's first customers wait no longer than others."""

import gc
from pathlib import Path

from django.apps import apps
from django.template.loader import get_template
from django.urls import get_resolver


def warm_up() -> None:
    """Imports the views and parses the templates. Asks no store."""
    _ = get_resolver().url_patterns
    for template in sorted(Path(apps.get_app_config("store").path, "templates").glob("*.html")):
        get_template(template.name)
    gc.collect()
    gc.freeze()  # what is there now stays: no collection need look at it again
