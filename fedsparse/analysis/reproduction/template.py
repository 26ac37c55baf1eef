"""The page's prose: the sections of `page.md`, whose named slots are filled with numbers and tables."""

import re
from pathlib import Path

_parts = re.split(r"<!-- (.+?) -->\n", (Path(__file__).parent / "page.md").read_text(encoding="utf-8"))
SECTIONS = {name: body.strip() for name, body in zip(_parts[1::2], _parts[2::2], strict=True)}


def fill(section: str, **slots: object) -> str:
    """A section with its slots filled."""
    return SECTIONS[section].format(**slots)
