"""A headless Chromium that counts what a page asks of the network and hears what its console says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService


@dataclass
class Browser:
    """A browser and the directory from which it opens pages."""

    driver: Chrome
    root: Path

    def open(self, html: str) -> None:
        """Open a page as a file, as whoever was sent it would."""
        path = self.root / "page.html"
        path.write_bytes(html.encode("utf-8", "replace"))
        self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        self.driver.get(path.as_uri())

    def script(self, text: str) -> Any:
        """Return what a script in the page returns."""
        return self.driver.execute_script(text)

    def requests(self) -> list[str]:
        """Return every address that was asked for since the page was opened."""
        events = [orjson.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]  # type: ignore[no-untyped-call]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def console(self) -> list[str]:
        """Return what the console says since the page was opened: refused styles and scripts, errors."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def violations(self) -> list[str]:
        """Return what axe-core finds of WCAG 2.1 A and AA, and of its best practices."""
        spec = find_spec("axe_core_python")
        assert spec is not None
        assert spec.origin is not None
        axe = Path(spec.origin).parent / "axe.min.js"
        self.driver.execute_script(axe.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script("axe.run().then(arguments[0], (e) => arguments[0](String(e)))")
        return [f"{one['id']}: {[node['html'] for node in one['nodes']][:3]}" for one in found["violations"]]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a browser."""
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("there is no chromedriver")
    options = ChromeOptions()
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    with Chrome(options=options, service=ChromeService(driver)) as chrome:
        yield Browser(chrome, tmp_path_factory.mktemp("pages"))
