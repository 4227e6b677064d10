"""The page as a person uses it: sorting, choosing the metric, hovering, in Debian's or the system's own Chromium."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganforge.commands.compare import write_report
from ganforge.reports.study import read_study

pytestmark = pytest.mark.slow

BROWSER = next((found for name in ("chromium", "google-chrome", "chrome") if (found := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")
WIDTH = 1280


@pytest.fixture
def page(two_variants: Path, tmp_path: Path) -> Iterator[Any]:
    """Open a report of two variants, in a window of 1280 pixels."""
    if BROWSER is None or DRIVER is None:
        pytest.skip("no Chromium with its chromedriver on the PATH: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser: pip install selenium")
    write_report(read_study([two_variants], target=12.0), tmp_path / "out", ["html"])
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={WIDTH},1000"):
        options.add_argument(argument)
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        browser.get((tmp_path / "out" / "report.html").as_uri())
        yield browser
    finally:
        browser.quit()


def until(browser: Any, condition: str, *arguments: Any) -> Any:
    """Wait for JavaScript to answer something true, and return it."""
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, 60).until(lambda page: page.execute_script(f"return {condition}", *arguments))


def show(browser: Any, selector: str) -> Any:
    """Scroll an element to the middle of the screen and return it."""
    element = browser.find_element("css selector", selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    return element


def column(browser: Any, cell: int) -> list[str]:
    rows = browser.find_elements("css selector", ".measure:not([hidden]) > table:first-of-type tbody tr")
    return [row.find_elements("css selector", "th, td")[cell].text for row in rows]


def test_a_person_can_read_it(page: Any) -> None:
    # Nothing to scroll sideways, at the top or anywhere below; no error and nothing refused on the console.
    until(page, "document.querySelectorAll('.js-plotly-plot').length > 0")
    for selector in (".plot:not([hidden])", "#panels", "#runs-title"):
        show(page, selector)
    until(page, "document.querySelector('#panels .main-svg') !== null")
    assert page.execute_script("return document.documentElement.scrollWidth") <= WIDTH
    wide = (
        "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert page.execute_script(f"return {wide}") == 0
    assert page.get_log("browser") == []
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    pictures = page.find_elements("css selector", ".grids img")
    assert [picture.get_attribute("alt") for picture in pictures] == [
        "Grid of generated images: loss=hinge, seed 0, 2 kimg",
        "Grid of generated images: loss=wasserstein, seed 0, 2 kimg",
    ]
    assert all(page.execute_script("return arguments[0].naturalWidth", picture) == 68 for picture in pictures)


def test_a_click_sorts_and_another_one_turns_it_round(page: Any) -> None:
    heads = page.find_elements("css selector", ".measure:not([hidden]) > table:first-of-type thead th")
    assert column(page, 0) == ["loss=hinge", "loss=wasserstein"]
    assert heads[2].get_attribute("aria-sort") == "ascending"
    heads[2].find_element("css selector", "button").click()
    assert column(page, 0) == ["loss=wasserstein", "loss=hinge"]
    assert (heads[2].get_attribute("aria-sort"), heads[0].get_attribute("aria-sort")) == ("descending", None)
    heads[0].find_element("css selector", "button").send_keys("\n")
    assert column(page, 0) == ["loss=hinge", "loss=wasserstein"]
    # Numbers are sorted as numbers, and what was never reached comes last either way.
    reach = heads[6].find_element("css selector", "button")
    for _ in range(2):
        reach.click()
        assert column(page, 6)[1].startswith("not reached")


def test_choosing_the_metric_shows_its_tables_and_plots(page: Any) -> None:
    from selenium.webdriver.support.select import Select

    assert page.find_element("css selector", ".measure:not([hidden]) h2").text.startswith("FID")
    Select(page.find_element("id", "metric")).select_by_visible_text("Inception score")
    shown = page.find_elements("css selector", ".measure:not([hidden])")
    assert [section.get_attribute("data-metric") for section in shown] == ["inception_score"]
    assert column(page, 2) == ["2.10 ± 0.25", "1.5 ± 0"]
    assert page.find_element("id", "announce").get_attribute("textContent") == "Showing Inception score"
    show(page, "#measure1-curves")
    until(page, "document.querySelector('#measure1-curves .main-svg') !== null")


def test_hovering_tells_values_and_the_axis_can_be_time(page: Any) -> None:
    from selenium.webdriver import ActionChains

    plot = show(page, "#measure0-curves")
    until(page, "document.querySelector('#measure0-curves .nsewdrag') !== null")
    drag = plot.find_element("css selector", ".nsewdrag")
    ActionChains(page).move_to_element_with_offset(drag, drag.size["width"] // 2 - 60, 0).perform()
    hover = "document.querySelector('#measure0-curves .hoverlayer').textContent"
    until(page, f"{hover}.includes('loss=hinge')")
    text = page.execute_script(f"return {hover}")
    assert "2 kimg" in text
    assert "10.667 ± 5.17" in text
    page.execute_script("arguments[0].click()", page.find_element("css selector", "input[value=seconds]"))
    until(page, "document.getElementById('measure0-curves').layout.xaxis.title.text === 'minutes of training'")
    means = "document.getElementById('measure0-curves').data.find(trace => trace.name === 'loss=hinge').x"
    assert page.execute_script(f"return {means}") == [0.166667, 0.333333]


def test_printing_draws_what_was_not_yet_on_the_screen(page: Any) -> None:
    assert page.execute_script("return document.querySelector('#panels .main-svg')") is None
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert until(page, "document.querySelector('#panels .main-svg') !== null")
