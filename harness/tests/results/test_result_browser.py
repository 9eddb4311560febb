"""The report in a real browser: what a reader sees and does."""

from __future__ import annotations

import json
import re
import shutil
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright
from result_builder import TEST_REASON, result, run_folder

from loadfleet.results import RunResults, latency
from loadfleet.results.history.published import PublishedResult
from loadfleet.results.report import write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

    Open = Callable[..., Page]

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1280, "height": 900}
TELEPHONE = {"width": 360, "height": 740}
HEADINGS = ["Results", "Throughput", "Comparison with published results", "Systems", "Cells", "How to repeat"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no Chromium; install it, e.g.: sudo apt-get install -y chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    values = [
        result("Server", latency={"p99": 21.0}, metric={"name": "q", "value": 250.0, "unit": "Queries/s"}),
        result("Offline"),
        result("SingleStream", execution="test"),
        result("Offline", "accuracy"),
        result("Offline", host="sut2", metric={"value": 99.0}),
    ]
    run = run_folder(folder, *values, telemetry=True)
    spread = latency.Distribution([1.0, 10.0, 100.0], [40, 60], logarithmic=True)
    cell = run / "localhost/bert/Server/performance"
    (cell / latency.HISTOGRAM).write_text(json.dumps(spread.as_dict()))
    others = [published(f"Company {number}", 100.0 * number) for number in range(1, 6)]
    path, _ = write_report([RunResults.load(run)], folder / "report.html", others)
    return path


def published(submitter: str, value: float) -> PublishedResult:
    plain: dict[str, Any] = dict.fromkeys(
        ("digest", "source", "location", "availability", "processor", "software", "operating_system", "precision"), ""
    )
    return PublishedResult(
        **plain,
        origin="published",
        round="v5.1",
        division="closed",
        category="edge",
        submitter=submitter,
        system="s",
        system_name=f"System of {submitter}",
        nodes=1,
        processors_per_node=2,
        cores_per_processor=16,
        accelerator="Example GPU",
        accelerators_per_node=2,
        model="bert-99",
        model_folder="bert-99",
        benchmark="bert",
        flavour="99",
        scenario="Offline",
        value=value,
        unit="Samples/s",
    )


@pytest.fixture
def show(browser: Browser, page_file: Path) -> Iterator[Open]:
    """Opens the report; at the end nothing was complained about and nothing was asked for."""
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def start(**options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, "color_scheme": "light", **options})
        contexts.append(context)
        own = page_file.as_uri()

        def decide(route: Any) -> None:
            if route.request.url.partition("#")[0] == own:
                route.continue_()
            else:
                said.append(f"request {route.request.url}")
                route.abort()

        context.route("**/*", decide)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(own)
        page.wait_for_selector("html[data-drawn]")
        return page

    yield start
    for context in contexts:
        context.close()
    assert said == []


def column(page: Page, table: str, number: int) -> list[str]:
    return [text.strip() for text in page.locator(f"{table} tbody tr:visible td:nth-child({number})").all_inner_texts()]


def test_every_chart_is_drawn_and_described(show: Open) -> None:
    page = show()
    places = page.locator(".drawing")
    assert places.count() > 10
    for place in places.all():
        box = place.locator("svg").bounding_box()
        assert box
        assert box["width"] > 200
        assert len(place.get_attribute("aria-label") or "") > 20
    # Five cells with a bar each; a hidden bar would have no size.
    bars = page.locator("#throughput .mark-rect path")
    assert all((box := bar.bounding_box()) and box["width"] > 5 for bar in bars.all())


def test_a_column_sorts_by_its_numbers_both_ways_and_back(show: Open) -> None:
    page = show()
    before = column(page, "#published table.data", 7)
    head = page.get_by_role("button", name="Result").nth(1)
    head.click()
    rising = column(page, "#published table.data", 7)
    numbers = [float(re.sub(r"[^0-9.]", "", text.split(" ")[0])) for text in rising]
    assert numbers == sorted(numbers)
    assert page.locator('#published th[aria-sort="ascending"]').inner_text().startswith("Result")
    head.press("Enter")
    assert column(page, "#published table.data", 7) == rising[::-1]
    head.press("Enter")
    assert column(page, "#published table.data", 7) == before


def test_cells_without_a_number_stay_last(show: Open) -> None:
    page = show()
    head = page.locator("#results th").get_by_role("button", name="Result")
    for _ in range(2):
        head.click()
        assert column(page, "#results table.data", 4)[-1] == "-"


def test_filters_leave_what_fits(show: Open) -> None:
    page = show()
    results = page.locator("#results")
    assert results.locator("output").inner_text() == "5 of 5 rows"
    results.get_by_label("Scenario", exact=True).select_option("Offline")
    assert set(column(page, "#results table.data", 2)) == {"Offline"}
    results.get_by_label("Host", exact=True).select_option("sut2")
    assert results.locator("output").inner_text() == "1 of 5 rows"
    results.get_by_label("Host", exact=True).select_option("all")
    results.get_by_label("Filter", exact=True).fill("ACCURACY 76.4")
    assert column(page, "#results table.data", 3) == ["accuracy"]
    results.get_by_label("Filter", exact=True).fill("nothing has this")
    assert column(page, "#results table.data", 3) == []


def test_dark_and_light_follow_the_system_and_the_button(show: Open) -> None:
    def background(page: Page) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light, dark = show(), show(color_scheme="dark")
    white = background(light)
    assert white == "rgb(255, 255, 255)"
    assert background(dark) != white
    light.get_by_role("button", name="Dark page").click()
    assert background(light) == background(dark)
    dark.get_by_role("button", name="Light page").click()
    assert background(dark) == white


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(show: Open, scheme: str) -> None:
    page = show(color_scheme=scheme)
    # WCAG 2.2, success criterion 1.4.3: at least 4.5 to 1.
    poor = page.evaluate(
        """() => {
          const parse = (text) => text.match(/[\\d.]+/g).map(Number);
          const linear = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
          const light = ([r, g, b]) => [r, g, b].map(linear)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const ground = (element) => {
            for (; element; element = element.parentElement) {
              const color = parse(getComputedStyle(element).backgroundColor);
              if (color.length === 3 || color[3] > 0) return color;
            }
            return [255, 255, 255];
          };
          const found = [];
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const element = walker.currentNode.parentElement;
            if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("script")) continue;
            const style = getComputedStyle(element);
            const [a, b] = [parse(element.closest("svg") ? style.fill : style.color), ground(element)].map(light);
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5) found.push(`${walker.currentNode.data.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
          }
          return found;
        }"""
    )
    assert poor == []


def test_a_telephone_scrolls_down_only(show: Open) -> None:
    page = show(viewport=TELEPHONE, has_touch=True)
    for details in page.locator("details").all():
        details.evaluate("element => { element.open = true; }")
    page.wait_for_selector("html[data-drawn]")
    assert page.evaluate("document.documentElement.scrollWidth") == TELEPHONE["width"]
    assert page.locator(".stacked td").first.evaluate("element => getComputedStyle(element, '::before').content") == (
        '"Host"'
    )
    page.locator("#results").get_by_label("Sort", exact=True).select_option("3 descending")
    values = column(page, "#results table.data", 4)
    assert values[0].startswith("1,234.5")


def test_everything_can_be_reached_by_keyboard(show: Open) -> None:
    page = show()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the results"
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName"))
    assert {"A", "BUTTON", "SELECT", "INPUT", "SUMMARY"} <= seen


def test_headings_are_in_order(show: Open) -> None:
    page = show()
    levels = [int(name[1]) for name in page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(e => e.tagName)")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("h2").all_inner_texts() == HEADINGS


def test_a_printed_page_has_everything(show: Open) -> None:
    page = show(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for heading in page.locator("h1, h2, h3").all():
        assert heading.is_visible()
    assert page.locator("#cells pre").first.is_visible()  # the command of a cell, folded on the screen
    assert page.get_by_text(TEST_REASON).first.is_visible()
    assert not page.locator(".tools").first.is_visible()
    # Colours of marks are greys: red, green and blue are equal.
    fills = page.locator(".drawing .mark-rect path").evaluate_all("all => all.map(e => getComputedStyle(e).fill)")
    greys = {fill for fill in fills if len(set(re.findall(r"\d+", fill)[:3])) == 1}
    assert greys == set(fills)
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 3


def test_a_page_without_scripts_still_has_its_numbers(show: Open, browser: Browser, page_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.get_by_text("Charts, sorting and filters need JavaScript").is_visible()
    page.locator("details.numbers summary").first.click()
    assert page.locator("details.numbers td").first.is_visible()
    context.close()


def test_folded_cells_are_drawn_when_a_link_opens_them(browser: Browser, tmp_path: Path) -> None:
    values = [result(scenario, host=f"sut{number}") for number in range(9) for scenario in ("Offline", "Server")]
    path, _ = write_report([RunResults.load(run_folder(tmp_path, *values, telemetry=True))], tmp_path / "fleet.html")
    page = browser.new_page(viewport=DESKTOP)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn]")
    cells = page.locator("#cells .drawing svg")
    assert cells.count() == 0
    page.locator("#results tbody a").nth(3).click()
    page.locator("#cell-3 .drawing svg").first.wait_for()
    assert cells.count() == page.locator("#cell-3 .drawing").count() == 3
    page.close()


def test_what_one_must_know_before_comparing_is_said(show: Open) -> None:
    page = show()
    note = page.locator("#published figure .note").first.inner_text()
    assert "More is better." in note
    assert "Mind: our accuracy" in note
    assert "rounds differ (v6.1, v5.1)" in note
    assert page.locator("#published tr.own").count() == 4
    # Two accelerators: half the number each.
    assert "50.00 Samples/s" in column(page, "#published table.data", 9)
