"""The page: one file that loads nothing and runs nothing but its own script, in which every text is escaped."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined

from revetl.docs.book import Book, Goes, SyncEntry, Use
from revetl.docs.pictures import Flow, flow, plot


@cache
def _part(name: str) -> str:
    return (files("revetl.docs") / name).read_text(encoding="utf-8")


def page(book: Book) -> str:
    """Return the page as HTML. Nothing in it but ``page.css`` and ``page.js`` is taken as markup, style or script."""
    style, script = _part("page.css"), _part("page.js")
    names = sorted({sync.name.partition(".")[0] for sync in book.syncs})

    def to(uses: Iterable[Goes | Use | SyncEntry]) -> str:
        """Return the places of some uses by number: a name may hold spaces."""
        found = (use.name if isinstance(use, SyncEntry) else use.sync for use in uses)
        return " ".join(sorted({f"d{names.index(sync.partition('.')[0]) + 1}" for sync in found}))

    return _rendered(
        "page.html", book=book, overview=_overview(book), picture=_picture, plot=plot, policy=_policy(style, script),
        style=style, script=script, destinations=names, to=to,
    )  # fmt: skip


def why_page(project: str, target: str, syncs: Sequence[str]) -> str:
    """Return the page on which a question is asked of a server on this machine; its script shows texts as texts."""
    style, script = _part("page.css"), _part("why.js")
    policy = f"{_policy(style, script)}; connect-src 'self'"
    return _rendered(
        "why.html", project=project, target=target, syncs=syncs, policy=policy, style=style, script=script
    )  # fmt: skip


def _rendered(name: str, **parts: object) -> str:
    env = Environment(
        loader=DictLoader({name: _part(name)}), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return env.get_template(name).render(**parts)


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy that lets this one style and this one script in: https://www.w3.org/TR/CSP3/."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _overview(book: Book) -> Flow:
    models = {sync.name: [*(field.model for field in sync.fields), *sync.cohorts] for sync in book.syncs}
    return flow([(model, sync) for sync, names in models.items() for model in dict.fromkeys(names)])


def _picture(sync: SyncEntry) -> Flow:
    pairs = [(f"{field.model}.{field.source}", field.field) for field in sync.fields]
    return flow(pairs, frozenset(f"{field.model}.{field.source}" for field in sync.fields if field.pii))
