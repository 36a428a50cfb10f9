"""The page of one run, in a browser: what the latent explorer shows is what the pair computes."""

import dataclasses
import html
import itertools
import json
import re
import sys

import numpy as np
import pytest
import torch

from data.origins import Origins
from evaluation.measure import Wanted, evaluate
from evaluation.measured import typeset
from evidence.batch import Batch
from experiment import load_run
from report.explain import remarks
from report.glossary import GLOSSARY
from report.names import latent_name
from report.page.made import made
from report.page.run import write_report
from report.table import identity_groups

pytest.importorskip("selenium", reason="pip install -r requirements/dev.txt")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

HOSTILE = (
    "<img src=x onerror=document.title='sprung'>"
    "\"'</script><script>document.title='sprung'</script>"
)


class Page:
    """A written report with the run it is of."""

    def __init__(self, path, *options):
        import train as script
        from configs import cli

        before = sys.argv
        sys.argv = [
            "train.py",
            "network.width=16",
            "device=cpu",
            "train.epochs=1",
            f"run_dir={path}",
            *options,
        ]
        try:
            assert cli.run_command(script.main) == 0
        finally:
            sys.argv = before
        self.path = path

    def write(self, hostile=""):
        self.run = load_run(self.path)
        data = self.run.dataset
        if hostile:
            names = np.array([f"{hostile}\x1b[2J{n}" for n in range(len(data.test))])
            self.run.dataset = dataclasses.replace(
                data,
                name=hostile,
                description=hostile,
                classes=tuple(f"{hostile}{label}" for label in data.classes),
                test=dataclasses.replace(data.test, origins=Origins("file", names)),
            )
        self.evaluation = evaluate(self.run, Wanted(particles=30, elbo_particles=4, limit=60))
        self.file = write_report(self.run, self.evaluation, [])
        block = re.search(
            r'<script type="application/json" id="content">(.*?)</script>',
            self.file.read_text(),
            re.DOTALL,
        )
        self.content = json.loads(block.group(1))
        self.batch = Batch.of(self.run.data("test")[:60])
        self.x = self.batch.x
        return self

    def open(self, browser):
        browser.get(self.file.as_uri())
        browser.get_log("browser")
        browser.refresh()
        wait(browser, "return document.getElementById('map').dataset.ready === 'yes'")
        return browser


def wait(browser, script):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(script))


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    """Pictures with a 2-d latent; all names of the data, rows and classes are an attack."""
    page = Page(tmp_path_factory.mktemp("plane") / "run", "data.limit=60")
    return page.write(HOSTILE)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Vectors with three latent dimensions and a linear decoder, whose means are known."""
    options = (
        "data=linear_gaussian",
        "likelihood=gaussian",
        "network.layers=0",
        "latent_dim=3",
        "data.examples=600",
    )
    return Page(tmp_path_factory.mktemp("lines") / "run", *options).write()


PIXELS = """const view = document.getElementById(arguments[0]);
  const { data } = view.getContext('2d').getImageData(0, 0, view.width, view.height);
  return Array.from(data).filter((_, i) => i % 4 === 0);"""


def pixels(browser, view):
    """The picture shown, as the values that it stands for: ink is 1."""
    return 1 - np.array(browser.execute_script(PIXELS, view)).reshape(8, 8) / 255


def profile(browser, view, content):
    """The values of the line shown."""
    path = browser.find_element("css selector", f"#{view} path").get_attribute("d")
    heights = np.array([float(part.split()[1]) for part in path[1:].split("L")])
    look = content["look"]
    return look["low"] + (118 - heights) / 108 * (look["high"] - look["low"])


def which(browser):
    return int(browser.find_element("id", "which").text.split(":")[0].split()[1]) - 1


def place_of(browser, number):
    """Where a datum is, in pixels from the middle of the map."""
    script = """const box = document.getElementById('map').getBoundingClientRect();
      const dot = document.querySelectorAll('#points circle')[arguments[0]].getBoundingClientRect();
      return [dot.x + (dot.width - box.width) / 2 - box.x,
              dot.y + (dot.height - box.height) / 2 - box.y];"""
    return [round(offset) for offset in browser.execute_script(script, number)]


def lonely(content):
    """The datum farthest from its neighbours can be pointed at without touching another."""
    z = np.array([axis["values"] for axis in content["axes"][:2]]).T
    distance = np.linalg.norm(z[:, None] - z, axis=-1) + 1e9 * np.eye(len(z))
    return int(distance.min(0).argmax())


def shows(browser, page, number):
    """Whether the page shows this datum with its own numbers."""
    assert which(browser) == number
    bounds = dict(page.evaluation.bounds.items())
    expected = [float(bound.per_datum[number]) for bound in bounds.values()]
    expected.append(float(page.evaluation.diagnostics.reliability.pareto_k[number]))
    values = [
        cell.text for cell in browser.find_elements("css selector", "#values dd:nth-of-type(odd)")
    ]
    assert [float(value.replace("−", "-")) for value in values] == pytest.approx(
        expected, abs=0.0051
    )
    assert np.array_equal(pixels(browser, "x"), page.x[number].reshape(8, 8).numpy())
    return True


def test_it_opens_whole_and_without_complaint(plane, browser, complaints):
    opened = plane.open(browser)
    assert not complaints(opened)
    text = plane.file.read_text()
    assert "http" not in text.replace("http-equiv", "")  # nothing is fetched from anywhere
    assert len(text) < 1_000_000
    headline = opened.find_element("css selector", "main table").text.replace("−", "-")
    assert (
        f"{plane.evaluation.bounds.exact.mean:.3f}" in headline
        and "lower bound, 30 particles" in headline
    )
    shown = [
        (" ".join(note.text.split()), "warning" in note.get_attribute("class"))
        for note in opened.find_elements("css selector", "p.note")
    ]
    said = [
        ("Warning: " * warns + typeset(note.text), warns)
        for note in remarks(plane.evaluation)
        for warns in [note.severity == "warning"]
    ]
    assert shown == said


def test_it_says_how_it_was_made(plane):
    """Command, dates, times, hardware and versions; and less where environment.json is no such."""
    known = json.loads((plane.path / "environment.json").read_text())
    told = made(plane.run)
    assert told["command"].startswith("python train.py") and known["command"][1] in told["command"]
    assert told["trained"] == known["started"] <= told["evaluated"]
    assert f"torch {known['torch']}" in told["versions"] and told["device"] == known["device"]
    assert told["steps took"].endswith(" s, for 1 epochs")
    for damaged in ("[]", "{", '{"command": {"a": 1}, "torch": [1]}'):
        other = dataclasses.replace(plane.run, path=plane.path / "damaged")
        other.path.mkdir(exist_ok=True)
        (other.path / "environment.json").write_text(damaged)
        assert {"evaluated"} <= set(made(other)) and "command" not in made(other)


def test_every_word_of_the_table_is_explained(plane):
    """The names of the rows and columns, but for what is a formula."""
    words = " ".join(GLOSSARY)
    names = [row.name for group in identity_groups(plane.evaluation) for row in group.rows]
    assert len(names) > 5
    for name in [*names, "side", "k̂", "s.e.", "measure", "nats"]:
        word = re.split(r"  |-\d", name.strip("−= "))[0]
        assert word in words, word
    page = plane.file.read_text()
    assert all(meaning.split("‖")[0][:30] in html.unescape(page) for meaning in GLOSSARY.values())


def test_a_hostile_name_is_only_words(plane, browser):
    opened = plane.open(browser)
    assert HOSTILE[:20] in opened.find_element("tag name", "h1").text
    assert "sprung" not in opened.title[:8] and not opened.find_elements(
        "css selector", "img[src=x]"
    )
    assert HOSTILE[:20] in opened.find_element("id", "which").text
    assert "\x1b" not in plane.file.read_text()


def test_the_most_unusual_data_are_listed_with_their_pictures(plane, browser):
    opened = plane.open(browser)
    exact = plane.evaluation.bounds.exact.per_datum
    cards = opened.find_elements("css selector", ".unusual li")
    lowest = exact.argsort()[:6].tolist()
    assert [int(card.text.split(":")[0].split()[1]) - 1 for card in cards] == lowest
    for card, number in zip(cards, lowest, strict=True):
        assert f"{exact[number]:.3f}".replace("-", "−") in card.text
        assert HOSTILE[:20] in card.text
        assert (
            opened.execute_script("return arguments[0].querySelector('img').naturalWidth", card)
            == plane.x.shape[-1]
        )


def test_names_of_labels_do_not_overlap(plane, browser):
    """Not even in a run that is hardly trained, where the codes of all labels lie together."""
    boxes = plane.open(browser).execute_script(
        "return [...document.querySelectorAll('#points text')].map((name) => {"
        "const box = name.getBBox(); return [box.x + box.width / 2, box.y, box.width]; })"
    )
    assert len(boxes) == 10
    for (x, y, wide), (across, up, other) in itertools.combinations(boxes, 2):
        assert abs(x - across) >= (wide + other) / 2 or abs(y - up) >= 17


def test_pointing_at_a_datum_shows_it(plane, browser):
    opened, number = plane.open(browser), lonely(plane.content)
    assert shows(opened, plane, 0)
    ActionChains(opened).move_to_element_with_offset(
        opened.find_element("id", "map"), *place_of(opened, number)
    ).perform()
    assert shows(opened, plane, number)


def test_tapping_a_datum_shows_it(plane, browser):
    from selenium.webdriver.common.actions.action_builder import ActionBuilder
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    opened, number = plane.open(browser), lonely(plane.content)
    drawn = opened.find_element("id", "map")
    opened.execute_script("arguments[0].scrollIntoView()", drawn)
    finger = ActionBuilder(opened, mouse=PointerInput("touch", "finger"))
    finger.pointer_action.move_to(drawn, *place_of(opened, number)).pointer_down().pointer_up()
    finger.perform()
    assert shows(opened, plane, number)


def test_the_keyboard_walks_from_datum_to_datum(plane, browser):
    opened = plane.open(browser)
    opened.execute_script("document.querySelector('#points [tabindex=\"0\"]').focus()")
    x, number = np.array(plane.content["axes"][0]["values"]), 0
    for _ in range(3):
        opened.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        assert x[which(opened)] > x[number]
        number = which(opened)
    assert shows(opened, plane, number)
    opened.switch_to.active_element.send_keys(Keys.END)
    assert shows(opened, plane, 59)


def test_reconstructions_are_those_of_their_data(plane, browser):
    """E_q[E[x|z]] of 16 draws here and 4,000 there: the errors are those of the first."""
    opened = plane.open(browser)
    opened.execute_script("document.querySelectorAll('#points circle')[7].focus()")
    with torch.no_grad():
        z = plane.run.guide.posterior(plane.x[7:8]).sample((4000,)).squeeze(1)
        means = (
            plane.run.model.likelihood(plane.run.model.decoder(z))
            .mean.reshape(-1, 8, 8)
            .double()
            .numpy()
        )
    assert (np.abs(pixels(opened, "mean") - means.mean(0)) < 5 * means.std(0) / 4 + 0.003).all()
    other = plane.x[7].reshape(8, 8).numpy()
    assert np.abs(pixels(opened, "mean") - other).max() > 0.1, "that is the datum itself"


def decoded_at(page, *z):
    """E[x|z] by the decoder itself."""
    with torch.no_grad():
        return page.run.model.likelihood(page.run.model.decoder(torch.tensor([z]))).mean[0].numpy()


def slider_value(browser, number):
    return int(
        browser.execute_script(
            "return document.querySelectorAll('#sliders input')[arguments[0]].value", number
        )
    )


def test_moving_over_the_plane_decodes_it(plane, browser):
    opened = plane.open(browser)
    drawn, seen = opened.find_element("id", "map"), []
    for offset in ((-80, -60), (60, 70)):
        ActionChains(opened).move_to_element_with_offset(drawn, *offset).perform()
        z = [plane.content["axes"][d]["places"][slider_value(opened, d)] for d in (0, 1)]
        seen.append((z, pixels(opened, "decoded")))
        assert np.allclose(seen[-1][1], decoded_at(plane, *z), atol=0.003)
    (left, first), (right, second) = seen
    assert left[0] < right[0] and left[1] > right[1], "up is up"
    assert np.abs(first - second).max() > 0.01


def test_the_plane_by_its_sliders(plane, browser):
    opened = plane.open(browser)
    for slider in opened.find_elements("css selector", "#sliders input"):
        slider.send_keys(Keys.HOME)
    z = [axis["places"][0] for axis in plane.content["axes"]]
    assert np.allclose(pixels(opened, "decoded"), decoded_at(plane, *z), atol=0.003)
    assert opened.find_element("id", "place").text == f"z = ({z[0]:.2f}, {z[1]:.2f})".replace(
        "-", "−"
    )


def test_vectors_are_drawn_as_profiles_and_sliders_follow_lines(lines, browser, complaints):
    opened, content = lines.open(browser), lines.content
    dots = [
        float(dot.get_attribute("cy"))
        for dot in opened.find_elements("css selector", "#mean circle")
    ]
    look = content["look"]
    x = look["low"] + (118 - np.array(dots)) / 108 * (look["high"] - look["low"])
    step = (look["high"] - look["low"]) / 255
    assert np.allclose(x, lines.x[0], atol=0.51 * step)
    opened.find_element("css selector", "#start option:nth-child(3)").click()
    for k, slider in enumerate(opened.find_elements("css selector", "#sliders input")):
        slider.send_keys(Keys.END)
        z = lines.evaluation.codes.flat[2].tolist()
        number = int(content["axes"][k]["name"].translate(str.maketrans("z₁₂₃", " 123"))) - 1
        z[number] = content["axes"][k]["places"][-1]
        assert np.allclose(
            profile(opened, "decoded", content), decoded_at(lines, *z), atol=0.51 * step + 1e-3
        )
    assert not complaints(opened)


def test_any_two_values_can_be_the_axes(lines, browser):
    opened = lines.open(browser)
    opened.find_element(
        "css selector", "#up option:nth-child(4)"
    ).click()  # after three dimensions: the ELBO
    heights = [
        float(dot.get_attribute("cy"))
        for dot in opened.find_elements("css selector", "#points circle")
    ]
    elbo = lines.evaluation.bounds.elbo.per_datum.numpy()
    assert np.corrcoef(heights, elbo)[0, 1] < -0.999  # up is more


OTHERS = {
    "hierarchical": (["model=hierarchical", "latent_dim=3"], "z1 and z2 stand side by side"),
    "gmvae": (["model=gmvae", "prior=mixture", "prior.components=3", "latent_dim=3"], "all 60"),
    "conditional": (["model=conditional", "latent_dim=3"], "given the label too"),
    "one": (["latent_dim=1"], "all 60"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_kind_of_model_has_a_page(name, tmp_path, browser, complaints):
    options, words = OTHERS[name]
    page = Page(tmp_path / "run", "data.limit=60", *options).write()
    opened = page.open(browser)
    assert not complaints(opened) and any(words in note for note in page.content["notes"])
    assert shows(opened, page, 0)
    opened.find_element("css selector", "#sliders input").send_keys(Keys.HOME)
    codes = page.evaluation.codes
    first = page.content["axes"][0]
    if page.content["plane"]:
        z = [first["places"][0], page.content["axes"][1]["places"][slider_value(opened, 1)]]
    else:
        start = page.content["starts"][0]
        z = codes.flat[start].tolist()  # z1 before z2, as the decoder of two layers takes them
        names = [latent_name(*dimension) for dimension in codes.dimensions]
        z[names.index(first["name"])] = first["places"][0]
        if page.batch.others:
            z += [
                float(label == page.batch.others[0][start])
                for label in range(page.run.dataset.num_classes)
            ]
    assert np.allclose(pixels(opened, "decoded"), decoded_at(page, *z), atol=0.003)


def test_a_phone_needs_no_sideways_scrolling(plane, browser):
    opened = plane.open(browser)
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= 360
        tick = (
            "const t = document.querySelector('#map text'); return t.getBoundingClientRect().height"
        )
        assert opened.execute_script(tick) >= 10
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_prints_and_the_theme_turns(plane, browser):
    opened = plane.open(browser)
    paper = "return getComputedStyle(document.body).backgroundColor"
    before = opened.execute_script(paper)
    opened.find_element("id", "theme").click()
    assert opened.execute_script(paper) != before
    assert len(opened.print_page()) > 10_000
