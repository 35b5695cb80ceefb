"""The page in a real browser: it works by itself, nothing in it runs that is not its own, and everybody can read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from revetl.docs.book import Book, CohortEntry, FieldEntry, Goes, Kept, Size, SyncEntry, Term, Use
from revetl.docs.page import page
from tests.browser.conftest import Browser
from tests.browser.payloads import PAYLOADS

MAIL, CRM = "mailchimp.customer", "hubspot.customer"
SIZES = (Size("2026-11-01 06:00", 120), Size("2026-11-10 06:00", 96), Size("2026-11-20 12:00", 180))
BOOK = Book(
    project="shop", target="prod", made="2026-11-20 12:30",
    terms=(
        Term("email", "customers", "Where we write to.", "crm", "email", (Goes(MAIL, "EMAIL"), Goes(CRM, "email"))),
        Term("band", "customers", "How much was bought.", "", None, (Goes(MAIL, "LTV_BAND", "hashed, sha256_plain"),)),
        Term("phone", "customers", "", "sales", "phone", (Goes(CRM, "phone"),)),
    ),
    cohorts=(CohortEntry("vip", "Who buys most.", "crm", "models/vip.yml", (Use(MAIL, "Very Important", SIZES),)),),
    syncs=tuple(
        SyncEntry(
            name, name.title(), "member", "customer", "EMAIL", (("mode", "upsert"),),
            (FieldEntry("EMAIL", "customers", "email", "email"), FieldEntry("LTV_BAND", "customers", "band", None)),
            ("vip",), ("burst: 10",), "2026-11-20 12:00 UTC", 1_234, 5,
        )
        for name in (MAIL, CRM)
    ),
    kept=(Kept("customers", (("birthday", "Nobody's business."),)),),
    unread=("stg_orders",),
)  # fmt: skip


def shown(browser: Browser) -> list[str]:
    """Return the heads of the entries that are shown."""
    found = browser.driver.find_elements(By.CSS_SELECTOR, "[data-entry]")
    heads = [entry.find_element(By.CSS_SELECTOR, "th, h3") for entry in found if entry.is_displayed()]
    return [head.text.splitlines()[0] for head in heads]


def test_it_stands_alone(browser: Browser) -> None:
    """The page asks nobody for anything, its policy refuses none of its own parts, and its texts are there."""
    browser.open(page(BOOK))
    assert [url.partition("?")[0].rpartition("/")[2] for url in browser.requests()] == ["page.html"]
    assert browser.console() == []
    text = browser.driver.find_element(By.TAG_NAME, "body").text
    for word in ("Where we write to.", "personal: email", "1,234", "burst: 10", "Nobody's business.", "stg_orders"):
        assert word in text
    assert "180 members" in text
    assert browser.script("return document.querySelectorAll('svg polyline').length") == 1


def test_search_and_filter(browser: Browser) -> None:
    """Words, a destination and 'personal only' narrow the entries down together; the number of them is said."""
    browser.open(page(BOOK))
    every = shown(browser)
    assert len(every) == 8
    find = browser.driver.find_element
    find(By.ID, "search").send_keys("WRITE where")
    assert shown(browser) == ["email"]
    assert find(By.ID, "count").text == "1 of 8 entries"
    assert find(By.CSS_SELECTOR, "#cohorts .none").is_displayed()
    find(By.ID, "search").send_keys(Keys.ESCAPE)
    assert shown(browser) == every
    find(By.XPATH, "//select/option[text()='hubspot']").click()
    assert shown(browser) == ["email", "phone", CRM]
    find(By.XPATH, "//select/option[text()='mailchimp']").click()
    find(By.ID, "personal").click()
    assert shown(browser) == ["email", MAIL]


def test_by_keyboard_alone(browser: Browser) -> None:
    """The slash goes to the search, the tabulator reaches every control in order, and Enter works the switch."""
    browser.open(page(BOOK))
    body = browser.driver.find_element(By.TAG_NAME, "body")
    body.send_keys("/")
    active = "return document.activeElement.id"
    assert browser.script(active) == "search"
    assert browser.script("return document.activeElement.value") == ""
    reached = []
    for _ in range(3):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.script(active))
    assert reached == ["where", "personal", "theme"]
    before = browser.script("return getComputedStyle(document.body).backgroundColor")
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.script("return getComputedStyle(document.body).backgroundColor") != before
    assert browser.script("return document.documentElement.dataset.theme") in {"dark", "light"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accessible(browser: Browser, theme: str) -> None:
    """axe-core finds nothing against the page, in either theme: names, roles, order of heads, contrast."""
    browser.open(page(BOOK))
    browser.script(f"document.documentElement.dataset.theme = '{theme}'")
    assert browser.violations() == []


def hostile(text: str, number: int) -> Book:
    """Return a book in which every text is hostile."""
    goes = (Goes(f"{text}.{number}", text, text),)
    fields = (FieldEntry(text, text, text, text, text),)
    return Book(
        project=text, target=text, made="2026-11-20 12:30",
        terms=(Term(text, text, text, text, text, goes),),
        cohorts=(CohortEntry(text, text, text, text, (Use(f"{text}.{number}", text, SIZES),), (text,)),),
        syncs=(SyncEntry(f"{text}.{number}", text, text, text, text, ((text, text),), fields, (text,), (text,), text),),
        kept=(Kept(text, ((text, text),)),), unread=(text,), notice=text,
    )  # fmt: skip


def test_five_hundred_payloads(browser: Browser, record_property: Callable[[str, object], None]) -> None:
    """None of 500 hostile texts in all places of the page runs, loads, or makes an element; each is shown as it is."""
    assert len(set(PAYLOADS)) == 500
    record_property("payloads", len(PAYLOADS))
    size = 50
    for start in range(0, len(PAYLOADS), size):
        books = [hostile(text, n) for n, text in enumerate(PAYLOADS[start : start + size])]
        whole = replace(
            books[0],
            terms=tuple(term for book in books for term in book.terms),
            cohorts=tuple(cohort for book in books for cohort in book.cohorts),
            syncs=tuple(sync for book in books for sync in book.syncs),
            kept=tuple(kept for book in books for kept in book.kept),
            unread=tuple(name for book in books for name in book.unread),
        )
        browser.open(page(whole))
        assert len(browser.requests()) == 1
        assert browser.console() == []
        assert browser.script("return typeof window.pwned") == "undefined"
        assert browser.script("return document.title") != "owned"
        foreign = "script, style, img, iframe, object, embed, link, base, video, form, input, a, math, body *[style]"
        names = f"return [...document.querySelectorAll('{foreign}')].map((e) => e.tagName.toLowerCase())"
        plain = ["a"] * 6 + ["form", "input", "input", "script", "style"]
        assert sorted(browser.script(names)) == plain
        handlers = "return [...document.querySelectorAll('*')].flatMap((e) => e.getAttributeNames())"
        assert not [name for name in browser.script(handlers) if name.startswith("on")]
        cells = browser.script("return [...document.querySelectorAll('td.said')].map((e) => e.textContent)")
        assert tuple(cells) == PAYLOADS[start : start + size]
