"""``docs --serve``: this machine alone, ``why`` behind a token, personal values hidden, texts shown as texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from revetl.engine.serving import Serving, served
from revetl.types import Node
from tests.browser.conftest import Browser
from tests.unit.engine.shopping import build, shop
from tests.unit.state.written import Sent

EVIL = "<img src=x onerror=window.pwned=1>"
ADDRESS = "c1@example.org"


def node(name: str) -> Node:
    """Return a model that nobody has described."""
    return Node(f"model.shop.{name}", name, "model", "shop", f"models/{name}.sql", None, None, "table")


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """Return a server over a shop in which c1 was sent to Mailchimp, with a hostile band."""
    workspace, written = shop(tmp_path)
    nodes = {f"model.shop.{name}": node(name) for name in ("customers", "vip")}
    workspace = replace(workspace, project=replace(workspace.project, nodes=nodes))
    build(tmp_path, ("c1", ADDRESS, EVIL), vip=["c1"])
    written.run("r1", Sent('["c1"]', m=ADDRESS, body={"email_address": ADDRESS, "LTV_BAND": EVIL}, band=EVIL))
    with served(workspace) as found:
        yield found


def ask(
    serving: Serving, question: object, method: str = "POST", path: str = "/why", **headers: str
) -> tuple[int, str]:
    """Return status and body of an answer; headers are given as ``Content_Type``."""
    connection = HTTPConnection("127.0.0.1", serving.port, timeout=20)
    given = {"Authorization": f"Bearer {serving.token}", **{name.replace("_", "-"): v for name, v in headers.items()}}
    body = question if isinstance(question, str) else json.dumps(question)
    try:
        connection.request(method, path, body=body, headers=given)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def test_answers_with_the_token(serving: Serving) -> None:
    """By key and by address: the fields that stand there, the personal one hidden, and what was done."""
    for asked in ("c1", ADDRESS):
        status, body = ask(serving, {"key": asked, "to": "mailchimp", "at": ""})
        assert status == 200, body
        (one,) = json.loads(body)["syncs"]
        fields = {name: value for name, value, _ in one["fields"]}
        assert fields == {"email_address": "•••", "LTV_BAND": EVIL}
        assert [step[1] for step in one["steps"]] == ["upsert"]
        assert ADDRESS not in body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401), ({"Authorization": "Bearer x"}, 401), ({"Authorization": "Bearer \u00e9"}, 401),
        ({"Host": "evil.example.com"}, 403), ({"Host": "evil.example.com:80"}, 403),
        ({"Origin": "https://evil.example.com"}, 403), ({"Origin": "null"}, 403),
        ({"Content_Length": "5000"}, 413), ({"Content_Length": "-1"}, 413), ({"Content_Length": "x"}, 413),
    ],
)  # fmt: skip
def test_strangers_learn_nothing(serving: Serving, headers: dict[str, str], status: int) -> None:
    """Without the token, by another name, from another page, or with too much: refused, and nobody is named."""
    found, body = ask(serving, {"key": "c1"}, **headers)
    assert found == status
    assert "LTV_BAND" not in body


def test_pages_and_nothing_else(serving: Serving) -> None:
    """The two pages are there without a token and hold no value; other paths are nothing; bad questions are said."""
    for path in ("/", "/why"):
        status, body = ask(serving, "", "GET", path, Authorization="")
        assert status == 200
        assert body.startswith(("<!DOCTYPE html>", "\n"))
        assert ADDRESS not in body
        assert EVIL not in body
    assert ask(serving, "", "GET", "/../etc/passwd")[0] == 404
    assert ask(serving, "", "GET", "/", Host="evil.example.com")[0] == 403
    assert ask(serving, "no json")[0] == 400
    assert ask(serving, "[]")[0] == 200
    status, body = ask(serving, {"key": "c1", "to": "nowhere"})
    assert status == 400
    assert "nowhere" in json.loads(body)["error"]


def test_asked_in_a_browser(serving: Serving, browser: Browser) -> None:
    """The address carries the token where no request shows it; the answer is text; the form is accessible."""
    driver = browser.driver
    driver.get_log("performance")  # type: ignore[no-untyped-call]
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.get(serving.ask)
    driver.find_element(By.ID, "key").send_keys("c1", Keys.ENTER)
    WebDriverWait(driver, 20).until(lambda d: "upsert" in d.find_element(By.ID, "answers").text)
    assert EVIL in driver.find_element(By.ID, "answers").text
    assert "•••" in driver.find_element(By.ID, "answers").text
    assert browser.script("return typeof window.pwned") == "undefined"
    assert browser.console() == []
    paths = {url.partition(str(serving.port))[2] for url in browser.requests()}
    assert paths <= {"/why", f"/why#{serving.token}", "/favicon.ico"}
    assert browser.violations() == []
    driver.get(f"{serving.page}why#wrong")
    driver.refresh()
    driver.find_element(By.ID, "key").send_keys("c1", Keys.ENTER)
    WebDriverWait(driver, 20).until(lambda d: "token" in d.find_element(By.ID, "state").text)
