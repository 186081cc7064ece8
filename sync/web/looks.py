"""The templates, and the words that they may use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sync.web import wording

HERE = Path(__file__).parent
_TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.globals |= {
    name: getattr(wording, name) for name in ("SIDES", "GROUPS", "TONES", "ago", "lasting", "wall", "exact", "sentence", "count")
}


def render(template: str, **facts: Any) -> str:
    """HTML, everything in it escaped."""
    return _TEMPLATES.get_template(template).render(**facts)
