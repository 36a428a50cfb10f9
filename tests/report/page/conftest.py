"""One browser for all pages."""

import pytest
from browser import open_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = open_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def complaints():
    """What the open page's console has to say, as `complaints(driver)`."""

    def read(driver):
        return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    return read
