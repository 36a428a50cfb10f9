"""A page in Debian's Chromium, without a screen or a network."""

import shutil
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)

MILLISECONDS_TO_OPEN = (
    "const t = performance.getEntriesByType('navigation')[0];return t.loadEventEnd - t.startTime"
)


def open_browser(profile: Path, width: int = 1280):
    """A Selenium driver; skips the test where there is no browser to drive."""
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="pip install -r requirements/dev.txt"
    )
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no chromium and chromedriver here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=driver)
    )
