"""The comparison page, in a browser."""

import time

import numpy as np
import pytest

import compare
from tests.made_runs import make_run
from tests.report.page.browser import MILLISECONDS_TO_OPEN

SPRUNG = "document.title='sprung'"
HOSTILE = f"<img src=x onerror={SPRUNG}>\"'</script><script>{SPRUNG}</script>"


def values(mean, seed=0):
    return (
        np.random.default_rng(7).normal(0, 10, 50)
        + mean
        + np.random.default_rng(seed).normal(0, 0.1, 50)
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two tables: four priors, one of them with a hostile name, and one run on other data."""
    folder = tmp_path_factory.mktemp("page")
    runs = []
    for prior, mean in (("standard_normal", -30), ("vamp", -28), ("mixture", -100), (HOSTILE, -29)):
        for seed in (0, 1):
            exact = {"exact": values(mean, seed) + 1} if prior == "vamp" else {}
            runs.append(
                make_run(
                    folder / f"{mean}-{seed}",
                    values(mean, seed),
                    seed=seed,
                    choices={"prior": prior},
                    extra=exact,
                )
            )
    runs.append(make_run(folder / "other", values(-80), name="mnist"))
    assert compare.main([*map(str, runs), "--out", str(folder / "page.html")]) == 0
    return folder / "page.html"


@pytest.fixture
def opened(browser, page):
    browser.get(page.as_uri())
    browser.get_log("browser")
    browser.refresh()
    return browser


def texts(driver, selector):
    return [
        element.text
        for element in driver.find_elements("css selector", selector)
        if element.is_displayed()
    ]


# The table of settings; that of pairs follows a heading.
SETTINGS = "section:first-of-type .scroll:not(h3 ~ .scroll) table.sortable"


def column(driver, number):
    return texts(
        driver,
        f"{SETTINGS} tbody tr > :nth-child({number})",
    )


def heading(driver, name):
    buttons = driver.find_elements(
        "css selector",
        f"{SETTINGS} thead button",
    )
    return next(button for button in buttons if button.text.split(" ")[0] == name)


def test_it_opens_whole_quickly_and_without_complaint(opened, page, complaints):
    assert opened.title == "Comparison of runs"
    assert not complaints(opened)
    assert 0 < opened.execute_script(MILLISECONDS_TO_OPEN) < 2000
    assert "http" not in page.read_text().replace(
        "http-equiv", ""
    )  # nothing is fetched from anywhere


def test_sorting_turns_and_is_numeric(opened):
    assert column(opened, 1) == ["1", "2", "3", "4"]
    heading(opened, "ELBO").click()
    ascending = [float(text.split()[0].replace("−", "-")) for text in column(opened, 6)]
    assert ascending == sorted(ascending) and column(opened, 1) == ["4", "3", "2", "1"]
    heading(opened, "ELBO").click()
    assert column(opened, 1) == ["1", "2", "3", "4"]


def test_sorting_by_the_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    heading(opened, "setting").send_keys(Keys.ENTER)
    assert column(opened, 2) == sorted(column(opened, 2), key=str.lower)


def test_filtering_hides_rows_lines_and_pictures(opened):
    box = opened.find_element("id", "filter")
    shown = len(texts(opened, ".pictures figure"))
    box.send_keys("vamp")
    assert column(opened, 2) == ["prior=vamp"]
    assert 0 < len(texts(opened, ".pictures figure")) < shown
    keys = opened.execute_script(
        "const shown = (mark) => mark.getBoundingClientRect().width;"
        "const marks = [...document.querySelectorAll('.mark')].filter(shown);"
        "return [...new Set(marks.map(mark => mark.dataset.key))]"
    )
    assert keys == ["0-0"]
    box.clear()
    box.send_keys("nothing of the kind")
    assert texts(opened, ".nothing") == ["No setting has these words."]


@pytest.mark.parametrize("name", ["learning", "ladder", "rate-distortion", "gaps"])
def test_charts_are_drawn_inside_their_frames(opened, name):
    inside = opened.execute_script(
        """const svg = document.querySelector(`[data-chart="${arguments[0]}"] svg`);
        const frame = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('.mark')].map(mark => {
          const m = mark.getBoundingClientRect();
          return m.width + m.height > 0 && m.left >= frame.left - 1 && m.right <= frame.right + 1
            && m.top >= frame.top - 1 && m.bottom <= frame.bottom + 1; })""",
        name,
    )
    assert inside and all(inside)


def test_pictures_are_decoded(opened):
    widths = opened.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) == 5 * 3 and all(widths)


def test_a_hostile_name_is_only_words(opened):
    assert any(HOSTILE[:20] in text for text in column(opened, 2))
    assert opened.title != "sprung" and not opened.find_elements("css selector", "img[src=x]")


def test_the_theme_turns(opened):
    paper = "return getComputedStyle(document.body).backgroundColor"
    before = opened.execute_script(paper)
    opened.find_element("id", "theme").click()
    assert opened.execute_script(paper) != before
    opened.find_element("id", "theme").click()
    assert opened.execute_script(paper) == before


def test_a_phone_needs_no_sideways_scrolling(opened):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= 360
        assert (
            opened.execute_script(
                "return parseFloat(getComputedStyle(document.querySelector('td')).fontSize)"
            )
            >= 12
        )
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_table_fits_a_laptop_with_its_intervals_and_p_values(opened):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 1400, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        beyond = "return [...document.querySelectorAll('.grid')].map(t => t.parentElement)"
        beyond += ".map(box => box.scrollWidth - box.clientWidth)"
        assert max(opened.execute_script(beyond)) <= 1  # a rounded pixel
        first = opened.find_element("css selector", "section .grid")
        assert "Δ to best" in first.text and first.find_elements("css selector", "td.forest svg")
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_section_opens_with_its_verdict(opened):
    sentences = texts(opened, ".verdict")
    assert len(sentences) == 2 and "is better than" in sentences[0]
    assert "nothing is compared" in sentences[1]


def test_charts_name_their_settings_and_have_error_bars(opened):
    rows = texts(opened, '[data-chart="ladder"] svg .tick')
    assert any("vamp s1" in row for row in rows)
    assert any("vamp" in item for item in texts(opened, '[data-chart="learning"] .legend li'))
    for name in ("differences", "ladder", "rate-distortion", "gaps"):
        assert opened.find_elements("css selector", f'[data-chart="{name}"] .whisker'), name


def test_a_printed_page_has_all_tables(opened):
    started = time.monotonic()
    assert len(opened.print_page()) > 10_000 and time.monotonic() - started < 20
