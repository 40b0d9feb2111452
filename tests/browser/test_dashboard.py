import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.browser


def contrast(page: Any, selector: str) -> float:
    """Return the contrast of a text with the nearest background behind it (WCAG 2)."""
    ratio: float = page.browser.execute_script(
        """
        const channel = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
        const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number);
          return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
        const element = document.querySelector(arguments[0]);
        let behind = element, back;
        do { back = getComputedStyle(behind).backgroundColor; behind = behind.parentElement; }
        while (behind && (back === "rgba(0, 0, 0, 0)" || back === "transparent"));
        const [a, b] = [light(getComputedStyle(element).color), light(back)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
        """,
        selector,
    )
    return ratio


def test_a_key_signs_in_and_is_forgotten_on_signing_out(page: Any) -> None:
    page.browser.get(page.address)
    (field,) = page.wait("#key")
    field.send_keys("sk-wrong", Keys.ENTER)
    page.wait_text("this key is not known")
    (field,) = page.wait("#key")
    field.send_keys("sk-browser-admin", Keys.ENTER)
    page.wait(".tile", count=9)
    assert page.browser.execute_script("return localStorage.length") == 0
    page.browser.find_element("xpath", "//button[text()='Sign out']").click()
    page.wait("#key")
    assert page.browser.execute_script("return sessionStorage.getItem('tiergate-key')") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_overview_draws_everything_without_a_complaint(page: Any, scheme: str, tmp_path: Path) -> None:
    page.browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    page.open()
    page.browser.execute_script("sessionStorage.setItem('tiergate-hours', '168')")
    page.browser.refresh()
    page.wait("canvas", count=7)
    shown = page.text()
    for title in (
        "Spend against baseline", "Share of requests by tier", "Hit and escalation ratio", "Latency", "Reliability",
        "Risk and coverage", "Stability index", "Confidence of answers", "By domain", "Experiments", "Provider health",
    ):  # fmt: skip
        assert title in shown
    assert re.search(r"Requests\n1,(4\d\d|500)\n", shown)
    assert "gate-065-vs-075 = a" in shown
    page.shoot(f"overview-{scheme}", Path(os.environ.get("TIERGATE_SCREENSHOTS", tmp_path)))
    assert page.problems() == []
    for selector in (".tile dt", ".tile .note", "figcaption p", "td", "nav a"):
        assert contrast(page, selector) >= 4.5, selector
    painted = page.browser.execute_script(
        "return [...document.querySelectorAll('canvas')].map((c) => "
        "new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size)"
    )
    assert min(painted) > 10


def test_a_narrow_screen_scrolls_down_only(page: Any, tmp_path: Path) -> None:
    page.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        for place, selector in (("", "canvas"), ("#/decisions", "tbody tr"), ("#/decision/dec-00003", ".timeline li")):
            page.open(place)
            page.wait(selector)
            assert page.browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"), place
        page.browser.save_screenshot(str(Path(os.environ.get("TIERGATE_SCREENSHOTS", tmp_path)) / "narrow.png"))
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_figures_in_tables_stay_on_one_line_on_a_narrow_screen(page: Any) -> None:
    page.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 840, "deviceScaleFactor": 1, "mobile": True}
    )
    page.open()
    page.wait("td.number", count=20)
    lines = page.browser.execute_script(
        "return [...document.querySelectorAll('td.number')].map((cell) => { const range = document.createRange();"
        " range.selectNodeContents(cell); return range.getClientRects().length; })"
    )
    assert set(lines) == {1}
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_days_on_axes_name_their_month(page: Any) -> None:
    """What charts write is in a canvas, so its texts are gathered as they are drawn."""
    gather = (
        "window.drawnTexts = []; const fillText = CanvasRenderingContext2D.prototype.fillText;"
        "CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) "
        "{ window.drawnTexts.push(text); return fillText.call(this, text, ...rest); };"
    )
    script = page.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": gather})
    page.open()
    page.browser.execute_script("sessionStorage.setItem('tiergate-hours', '168')")
    page.browser.refresh()
    page.wait("canvas", count=7)
    time.sleep(0.5)
    texts = page.browser.execute_script("return window.drawnTexts")
    page.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    assert any(re.fullmatch(r"[0-9]{1,2} [A-Z][a-z]{2}", text) for text in texts), texts
    assert not any("/" in text for text in texts)


def test_decisions_are_filtered_and_paged_by_their_address(page: Any, tmp_path: Path) -> None:
    page.open("#/decisions")
    page.wait("tbody tr", count=50)
    page.shoot("decisions", Path(os.environ.get("TIERGATE_SCREENSHOTS", tmp_path)))
    page.browser.find_element("id", "filter-gate_outcome").send_keys("escalated")
    page.browser.find_element("id", "filter-domain").send_keys("code", Keys.ENTER)
    page.wait(".mark")
    rows = [row.text for row in page.wait("tbody tr")]
    assert rows
    assert all("escalated" in row and "code" in row for row in rows)
    assert "gate_outcome=escalated" in page.browser.current_url
    page.open("#/decisions")
    first = page.wait("tbody tr", count=50)[0].text
    page.browser.find_element("link text", "Older").click()
    page.wait_text("Back to the newest")
    assert page.wait("tbody tr", count=50)[0].text != first


def escalated_id(page: Any) -> str:
    page.open("#/decisions?gate_outcome=escalated")
    page.wait(".mark")
    href: str = page.wait("tbody a")[0].get_attribute("href")
    return href.rsplit("/", 1)[-1]


def test_one_decision_tells_why_and_a_prompt_never_becomes_markup(page: Any, tmp_path: Path) -> None:
    page.open(f"#/decision/{escalated_id(page)}")
    steps = [step.text for step in page.wait(".timeline li", count=5)]
    assert [step.split("\n")[0].split(" at ")[0] for step in steps][:2] == [
        "Semantic cache miss",
        "Intent router routed",
    ]
    shown = page.text()
    assert "Escalated from" in shown
    assert "confidence low" in shown
    assert "Escalate below 0.7" in shown
    assert '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>{{7*7}}' in shown
    assert page.browser.execute_script("return window.pwned") is None
    assert page.browser.find_elements("css selector", "main img, main script") == []
    page.shoot("decision", Path(os.environ.get("TIERGATE_SCREENSHOTS", tmp_path)))
    assert page.problems() == []


def test_an_inline_script_would_not_run_on_this_page(page: Any) -> None:
    page.open()
    page.wait(".tile")
    ran = page.browser.execute_script(
        "const s = document.createElement('script');"
        "try { s.textContent = 'window.ran = 1'; document.head.append(s); } catch (error) { return 'refused'; }"
        "return window.ran ?? 'not run';"
    )
    assert ran in {"refused", "not run"}


def test_a_bad_answer_and_a_wrong_hit_are_reported_with_one_click(page: Any) -> None:
    page.open("#/decisions?cache_outcome=hit")
    page.wait("tbody tr", count=10)
    page.wait("tbody a")[0].click()
    page.wait(".timeline li")
    page.browser.find_element("xpath", "//button[text()='Wrong cache hit']").click()
    page.wait_text("Recorded: a wrong cache hit.")
    page.browser.refresh()
    page.wait_text("Reported as a wrong hit.")
    page.open(f"#/decision/{escalated_id(page)}")
    page.wait(".timeline li")
    assert not page.browser.find_elements("xpath", "//button[text()='Wrong cache hit']")
    page.browser.find_element("xpath", "//button[text()='Bad answer']").click()
    page.wait_text("Recorded: a bad answer.")


def test_the_keyboard_alone_reaches_a_decision(page: Any) -> None:
    page.open("#/decisions")
    page.wait("tbody tr", count=50)
    body = page.browser.find_element("tag name", "body")
    page.browser.execute_script("document.activeElement.blur(); window.getSelection().removeAllRanges()")
    page.browser.refresh()
    page.wait("tbody tr", count=50)
    body = page.browser.find_element("tag name", "body")
    body.send_keys(Keys.TAB)
    assert page.browser.switch_to.active_element.text == "Skip to the content"
    for _ in range(40):
        page.browser.switch_to.active_element.send_keys(Keys.TAB)
        if "#/decision/" in (page.browser.switch_to.active_element.get_attribute("href") or ""):
            break
    width = page.browser.execute_script("return getComputedStyle(document.activeElement).outlineWidth")
    assert width == "3px"
    page.browser.switch_to.active_element.send_keys(Keys.ENTER)
    page.wait(".timeline li")
    focused = page.browser.execute_script("return document.activeElement.tagName")
    assert focused == "H1"


def test_every_chart_has_its_numbers_as_a_table(page: Any) -> None:
    page.open()
    page.wait("canvas", count=7)
    details = page.browser.find_elements("css selector", "figure details summary")
    assert len(details) == 7
    details[0].click()
    page.wait("figure details table tbody tr")


def test_nothing_is_asked_of_another_host(page: Any) -> None:
    page.open()
    page.wait("canvas", count=7)
    origin = page.browser.execute_script("return location.origin")
    asked = page.browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert asked
    assert all(name.startswith(origin) for name in asked)
