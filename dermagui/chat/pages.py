"""Pages of HTML that stand by themselves: everything escaped, pictures embedded, nothing fetched."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache

import jinja2

from dermagui import paths


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of a page: its encoded bytes, and what is written under it."""

    encoded: bytes
    mime_type: str
    caption: str
    width: int
    height: int

    @property
    def data_url(self) -> str:
        """The picture itself, in place of an address."""
        return f"data:{self.mime_type};base64,{b64encode(self.encoded).decode()}"


def render(template: str, **values: object) -> str:
    """A page from a template in ``resources/templates``."""
    return _environment().get_template(template).render(**values)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.resources() / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
