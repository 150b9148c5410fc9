"""The report as people meet it: in a browser, with a mouse or a keyboard, on a small screen, in the dark."""

import json
from pathlib import Path
from typing import Any

import pytest

from dymu.reports.paper_claims import CHECKS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE_START = "<img src=x onerror="
# Few records make few kinds of verdicts; here each is shown.
EVERY_PILL = (
    "[...document.querySelectorAll('tbody .pill')]"
    ".forEach((pill, i) => { pill.dataset.is = ['yes', 'no', 'open', 'none'][i % 4]; })"
)
CENTRE = (1 / 3, 1 / 3, 1 / 3)
HANDLE = ".ternary .handle"
# Smallest ratio of luminances of text and what is behind it, over all text that shows; WCAG 2.2, 1.4.3.
CONTRAST = """
(() => {
  const channel = (v) => (v /= 255, v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parse = (text) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return { r, g, b, a: a / 255 };
  };
  const luminance = ({ r, g, b }) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return { r: 255, g: 255, b: 255, a: 1 };
  };
  const poor = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style, noscript, .sr, .paper")) continue;
    if (element.closest("svg") && element.closest(".drawn")) continue;
    if (!element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const ink = parse(element.closest("svg") ? style.fill : style.color);
    const [one, other] = [luminance(ink), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    seen += 1;
    if (ink.a < 1 || ratio < (large ? 3 : 4.5)) {
      poor.push(`${walker.currentNode.data.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
  }
  return { seen, poor };
})()
"""
# Elements that stick out of the page, but for those in a part that scrolls by itself.
STICKING_OUT = """
[...document.querySelectorAll("body *")].filter((e) => {
  const box = e.getBoundingClientRect();
  if (!box.width || box.right <= innerWidth + 0.5) return false;
  for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) {
    if (["auto", "scroll", "hidden"].includes(getComputedStyle(p).overflowX)) return false;
  }
  return !e.closest("svg, .skip, .sr");
}).map((e) => e.tagName + "." + e.className)
"""


def shares(page: Any) -> list[float]:
    return [
        float(value)
        for value in page.run("[...document.querySelectorAll('[data-task]')].map((e) => e.value)")
    ]


def parameters(page: Any) -> str:
    return str(page.text("#explorer-parameters"))


def written(value: float) -> str:
    return "1k" if value == 1000 else f"{value:g}"


def test_it_opens_from_disk_without_complaint_and_without_a_request(page: Any, report: Path) -> None:
    page.call("Performance.enable", timeDomain="threadTicks")
    page.open(report)
    assert page.complaints() == []
    assert page.run("performance.getEntriesByType('resource').length") == 0
    # Time of the processor, which does not depend on what else the machine does.
    measured = {each["name"]: each["value"] for each in page.call("Performance.getMetrics")["metrics"]}
    page.call("Performance.disable")
    assert measured["TaskDuration"] < 5


def test_hostile_names_are_shown_and_do_nothing(page: Any, report: Path) -> None:
    page.open(report)
    assert not page.run("window.harmed")
    assert page.run("document.images.length") == 0
    assert "<img src=x" in page.text("h1")
    assert "<img src=x" in page.text("#chart-quality")


def test_scripts_from_elsewhere_are_refused(page: Any, report: Path) -> None:
    page.open(report)
    page.run(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.harmed = 1'}))"
    )
    assert not page.run("window.harmed")
    refused = page.run("fetch('data:text/plain,x').then(() => false, () => true)")
    assert refused


def test_the_explorer_starts_at_the_centre(page: Any, report: Path, expected: Any) -> None:
    page.open(report)
    assert parameters(page) == written(expected.parameters(CENTRE, 0.0))
    assert "nothing is shared" in page.text(".numbers")


def test_arrow_keys_move_the_preference(page: Any, report: Path, expected: Any) -> None:
    page.open(report)
    page.focus(HANDLE)
    page.press("ArrowUp", 25)
    moved = shares(page)
    assert moved[0] > 0.8
    assert sum(moved) == pytest.approx(1, abs=0.02)
    assert parameters(page) == written(expected.parameters(moved, 0.0)) == "300"
    assert "left 8" in page.run(f"document.querySelector('{HANDLE}').getAttribute('aria-valuetext')")
    page.press("Home")
    assert parameters(page) == "1k"


@pytest.mark.parametrize(
    ("key", "axis", "sign"),
    [("ArrowUp", 1, -1), ("ArrowDown", 1, 1), ("ArrowLeft", 0, -1), ("ArrowRight", 0, 1)],
)
def test_arrow_keys_go_where_they_point(page: Any, report: Path, key: str, axis: int, sign: int) -> None:
    page.open(report)
    where = f"document.querySelector('{HANDLE}').getAttribute('transform').match(/[0-9.]+/g).map(Number)"
    start = page.run(where)
    page.focus(HANDLE)
    page.press(key, 3)
    end = page.run(where)
    assert sign * (end[axis] - start[axis]) > 5
    assert end[1 - axis] == pytest.approx(start[1 - axis], abs=0.1)


def test_dragging_moves_the_preference_at_once(page: Any, report: Path, expected: Any) -> None:
    page.open(report)
    start = page.at(f"document.querySelector('{HANDLE} .ring')")
    tree = page.run("document.querySelector('#explorer-tree svg').getAttribute('aria-label')")
    page.drag(start, (start[0] - 100, start[1] + 60))
    moved = shares(page)
    assert moved[1] > 0.7
    assert parameters(page) == written(expected.parameters(moved, 0.0)) == "310"
    assert page.run("document.querySelector('#explorer-tree svg').getAttribute('aria-label')") != tree
    assert page.text("#explorer-macs") == "3.1k"


def test_c_is_a_slider_that_keys_move(page: Any, report: Path, expected: Any) -> None:
    page.open(report)
    assert parameters(page) == "1k"
    page.focus("#explorer-c")
    page.press("End")
    page.focus("[data-task='0']")
    page.press("ArrowRight", 2)
    assert parameters(page) == written(expected.parameters(shares(page), 1.0)) == "300"
    assert page.run("document.querySelector('#explorer-c').value") == "1"
    page.browser.wait("document.querySelector('#explorer-live').textContent", seconds=5)
    assert page.text("#explorer-live") == "300 active parameters, 3k MACs, 2 of 6 nodes run"


def test_a_moved_preference_is_told_once_it_stands_still(page: Any, report: Path) -> None:
    page.open(report)
    page.run(
        "window.told = []; new MutationObserver(() => told.push(document.querySelector('#explorer-live')"
        ".textContent)).observe(document.querySelector('#explorer-live'), {childList: true})"
    )
    page.focus(HANDLE)
    page.press("ArrowUp", 25)
    assert page.run("told.length") <= 1
    page.browser.wait("told.length", seconds=5)
    assert page.run("told.at(-1)").startswith("300 active parameters")


def test_the_meter_is_as_long_as_the_share_of_the_anchor(page: Any, report: Path) -> None:
    page.open(report)
    page.focus(HANDLE)
    page.press("ArrowUp", 25)
    assert page.run("document.querySelector('.meter i').style.width") == "30%"


@pytest.mark.parametrize("resource", ["Home", "End"])
@pytest.mark.parametrize("task", [0, 1, 2])
def test_a_corner_shows_what_the_controller_says_there(
    page: Any, report: Path, expected: Any, task: int, resource: str
) -> None:
    page.open(report)
    page.focus("#explorer-c")
    page.press(resource)
    page.focus(f"[data-task='{task}']")
    page.press("End")
    corner = [float(other == task) for other in range(3)]
    assert shares(page) == corner
    c = 1.0 if resource == "End" else 0.0
    assert parameters(page) == written(expected.parameters(corner, c)) == str(300 + 10 * task)
    page.press("ArrowLeft")
    assert sum(shares(page)) == pytest.approx(1, abs=0.02)
    assert page.complaints() == []


def test_at_an_evaluated_preference_the_explorer_says_what_the_record_says(page: Any, report: Path) -> None:
    page.open(report)
    page.run(
        "window.at = JSON.parse(document.querySelector('#data').textContent).explorer"
        ".controllers[0].recorded[0].preferences[7]"
    )
    x, y = page.run(
        "(() => { const svg = document.querySelector('.ternary'); svg.scrollIntoView({block: 'center', "
        "behavior: 'instant'}); const [a, b, c] = at; const p = new DOMPoint(150 * a + 22 * b + 278 * c, "
        "26 * a + 248 * (b + c)).matrixTransform(svg.getScreenCTM()); return [p.x, p.y]; })()"
    )
    page.mouse("mousePressed", x, y)
    page.mouse("mouseReleased", x, y)
    assert "as recorded at the nearest evaluated preference" in page.text(".source").split("Losses")[0]
    assert parameters(page) == "900"


def test_sliders_keep_the_sum(page: Any, report_of_five: Path) -> None:
    page.open(report_of_five)
    assert page.run("document.querySelector('.ternary')") is None
    page.focus("[data-task='2']")
    page.press("End")
    assert shares(page) == [0, 0, 1, 0, 0]
    assert parameters(page) == "320"
    page.press("ArrowLeft", 40)
    assert sum(shares(page)) == pytest.approx(1, abs=0.03)
    assert page.complaints() == []


def test_losses_are_those_of_the_nearest_record_and_say_so(page: Any, report: Path) -> None:
    page.open(report)
    said = page.text(".source")
    assert "recorded at the nearest evaluated preference" in said
    recorded = page.run(
        "JSON.parse(document.querySelector('#data').textContent).explorer.controllers[0].recorded[0]"
    )
    far = [sum((a - b) ** 2 for a, b in zip(row, CENTRE, strict=True)) for row in recorded["preferences"]]
    nearest = recorded["losses"][far.index(min(far))]
    shown = page.run("[...document.querySelectorAll('.losses tbody tr')].map((r) => r.cells[2].textContent)")
    assert [float(text) for text in shown] == pytest.approx(nearest, rel=1e-3)


def test_losses_can_be_interpolated_and_say_so(page: Any, report: Path) -> None:
    page.open(report)
    before = page.text(".losses")
    page.click("[...document.querySelectorAll('.explorer .chip')].at(-1)")
    assert "inverse-distance mean of 20 recorded preferences" in page.text(".source")
    assert page.text(".losses") != before


def test_without_weights_the_explorer_shows_records_and_says_so(page: Any, report: Path) -> None:
    page.open(report)
    page.run(
        "(() => { const s = document.querySelector('.explorer select'); s.value = '1'; "
        "s.dispatchEvent(new Event('change')); })()"
    )
    assert "weights are not in the store" in page.text(".source")
    assert parameters(page) == "900"
    page.focus("#explorer-c")
    page.press("ArrowRight")  # to the next c that was evaluated, which is the other end
    assert page.run("document.querySelector('#explorer-c').value") == "1"
    assert parameters(page) == "800"


def test_tables_are_sorted_by_a_click_and_by_a_key(page: Any, report: Path) -> None:
    page.open(report)
    table = "[...document.querySelectorAll('caption')].find((c) => c.textContent === 'Seeds').parentElement"
    column = f"[...{table}.tBodies[0].rows].map((r) => r.cells[1].textContent)"
    assert page.run(column) == ["0", "1", "0", "1"]
    page.click(f"{table}.tHead.rows[0].cells[1].querySelector('button')")
    assert page.run(column) == ["0", "0", "1", "1"]
    assert page.run(f"{table}.tHead.rows[0].cells[1].getAttribute('aria-sort')") == "ascending"
    page.press("Enter")
    assert page.run(column) == ["1", "1", "0", "0"]
    page.press("Enter")
    assert page.run(column) == ["0", "1", "0", "1"]


def test_measured_values_are_sorted_as_numbers(page: Any, report: Path) -> None:
    page.open(report)
    head = "document.querySelectorAll('#results thead th')"
    number = page.run(f"[...{head}].findIndex((h) => h.dataset.better === 'higher')")
    page.click(f"{head}[{number}].querySelector('button')")
    rows = "[...document.querySelector('#results tbody').rows]"
    values = page.run(f"{rows}.map((r) => Number(r.cells[{number}].dataset.value))")
    assert values == sorted(values, reverse=True)


def test_a_chart_tells_values_to_mouse_and_keyboard(page: Any, report: Path) -> None:
    page.open(report)
    x, y = page.at("document.querySelector('#chart-quality svg circle')")
    page.hover(x, y)
    assert not page.run("document.querySelector('#tip').hidden")
    assert "active parameters: " in page.text("#tip")
    page.focus("#chart-following svg")
    page.press("ArrowRight")
    assert "scaled test loss: " in page.text("#tip")
    assert "scaled test loss: " in page.text("#chart-following [aria-live]")


def test_keys_follow_a_line_and_change_to_another(page: Any, report: Path) -> None:
    page.open(report)
    page.focus("#chart-training-edge svg")
    page.press("ArrowRight")
    assert "Ours\nmean of seeds 0, 1\nstep: 0\n" in page.text("#tip")
    page.press("ArrowRight", 2)
    assert "step: 20\n" in page.text("#tip")
    page.press("ArrowDown")
    assert HOSTILE_START in page.text("#tip")
    assert "step: 20\n" in page.text("#tip")
    page.press("ArrowDown")
    assert "seed 0, edge/baseline-0" in page.text("#tip")
    page.press("End")
    assert "step: 90, " in page.text("#chart-training-edge [aria-live]")
    page.press("Escape")
    assert page.run("document.querySelector('#tip').hidden")


def test_seeds_are_thin_and_their_mean_is_thick(page: Any, report: Path) -> None:
    page.open(report)
    widths = page.run(
        "[...document.querySelectorAll('#chart-training-edge polyline')]"
        ".map((line) => line.getAttribute('stroke-width'))"
    )
    assert widths == ["1"] * 4 + ["2.6"] * 2


def test_a_chart_switches_to_a_logarithmic_axis_and_back(page: Any, report: Path) -> None:
    page.open(report)
    drawn = "document.querySelector('#chart-training-edge svg polyline').getAttribute('points')"
    scale = "document.querySelector('#chart-training-edge .scale')"
    before = page.run(drawn)
    page.click(scale)
    assert page.run(f"{scale}.getAttribute('aria-pressed')") == "true"
    assert "logarithmic" in page.run(
        "document.querySelector('#chart-training-edge svg').getAttribute('aria-label')"
    )
    assert page.run(drawn) != before
    page.click(scale)
    assert page.run(drawn) == before


@pytest.mark.parametrize("chart", ["quality", "following", "training-edge"])
def test_every_chart_answers_to_mouse_keys_and_its_legend(page: Any, report: Path, chart: str) -> None:
    page.open(report)
    page.focus(f"#chart-{chart} svg")
    page.press("ArrowRight")
    lines = page.text("#tip").split("\n")
    assert lines[0] == "Ours"
    assert "seed" in lines[1]
    assert [":" in line for line in lines[2:]] == [True, True]
    drawn = f"document.querySelectorAll('#chart-{chart} svg :is(circle:not(.ring), polyline)').length"
    both = page.run(drawn)
    page.focus(f"#chart-{chart} [aria-label=Shown] .chip")
    page.press("Enter")
    assert page.run(drawn) == both / 2


# Tables that do not fit where they are.
TOO_WIDE = (
    "[...document.querySelectorAll('#results .scroll')].filter((s) => s.scrollWidth > s.clientWidth).length"
)
SHOWN_CLAIMS = (
    "[...document.querySelectorAll('#paper-claims tbody tr')]"
    ".filter((r) => r.checkVisibility()).map((r) => r.dataset.verdict)"
)


def test_claims_of_the_paper_are_counted_by_verdict(page: Any, report: Path) -> None:
    page.open(report)
    parts = page.run(
        "[...document.querySelectorAll('#paper-claims .of-verdict')].map((d) => "
        "[d.dataset.verdict, d.querySelector('.count').textContent, d.querySelectorAll('tbody tr').length])"
    )
    assert [verdict for verdict, *_ in parts] == ["undecided", "not applicable"]
    assert sum(rows for *_, rows in parts) == len(CHECKS)
    assert [text.split()[0] for _, text, _ in parts] == [str(rows) for *_, rows in parts]
    assert page.run(SHOWN_CLAIMS) == []


def test_claims_of_a_verdict_open_by_key_and_all_by_a_button(page: Any, report: Path) -> None:
    page.open(report)
    page.focus("#paper-claims [data-verdict=undecided] > summary")
    page.press("Enter")
    assert {*page.run(SHOWN_CLAIMS)} == {"undecided"}
    button = "#paper-claims > .chip"
    assert page.text(button) == "show all"
    page.focus(button)
    page.press("Enter")
    assert len(page.run(SHOWN_CLAIMS)) == len(CHECKS)
    page.browser.wait(f"document.querySelector('{button}').textContent === 'show counts alone'", seconds=5)
    page.press("Enter")
    assert page.run(SHOWN_CLAIMS) == []


def test_a_claim_opens_by_key_and_says_more(page: Any, report: Path) -> None:
    page.open(report, width=390)
    page.run("document.querySelector('#paper-claims [data-verdict=undecided]').open = true")
    row = (
        "document.querySelector('#paper-claims tr:has(.claim summary):has(td:last-child .value:not(:empty))')"
    )
    detail = f"{row}.querySelector('.claim .detail')"
    number = f"[...{row}.querySelectorAll('td.number')].at(-1)"
    assert page.run(f"[{detail}.checkVisibility(), {number}.checkVisibility()]") == [False, False]
    page.run(f"{row}.querySelector('summary').focus()")
    page.press("Enter")
    assert page.run(f"[{detail}.checkVisibility(), {number}.checkVisibility()]") == [True, True]


def test_print_shows_all_that_is_folded(page: Any, report: Path) -> None:
    page.open(report)
    folded = "[...document.querySelectorAll('details :is(td, li, .detail)')]"
    hidden = f"{folded}.filter((e) => e.textContent && !e.checkVisibility()).length"
    assert page.run(hidden) > len(CHECKS)
    page.call("Emulation.setEmulatedMedia", media="print")
    page.browser.resize(718, 1000)  # A4 between the usual margins
    try:
        assert page.run(hidden) == 0
        assert page.run(TOO_WIDE) == 0
    finally:
        page.call("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_a_claim_is_a_card_that_stays_inside(page: Any, report: Path, width: int) -> None:
    page.open(report, width=width)
    page.run("document.querySelectorAll('.claims details').forEach((part) => { part.open = true; })")
    outside = page.run(
        "[...document.querySelectorAll('.claims :is(.pill, td, th, code)')].filter((e) => "
        "e.getBoundingClientRect().right > innerWidth || e.getBoundingClientRect().left < 0).length"
    )
    assert outside == 0
    roles = {
        node["role"]["value"] for node in page.call("Accessibility.getFullAXTree")["nodes"] if "role" in node
    }
    assert {"table", "row", "cell", "rowheader"} <= roles


def test_claims_take_a_few_screens_of_a_phone(page: Any, report: Path) -> None:
    page.open(report, width=390)
    assert page.run("document.querySelector('#claims').getBoundingClientRect().height") < 2500


@pytest.mark.parametrize("width", [768, 1024, 1280])
def test_tables_of_results_fit_a_screen(page: Any, report: Path, width: int) -> None:
    page.open(report, width=width)
    assert page.run("document.querySelectorAll('#results thead th').length") == 12
    assert page.run(TOO_WIDE) == 0
    assert page.run("document.querySelector('#results .scroll').tabIndex") == -1


def test_on_a_phone_a_table_scrolls_by_key_below_the_names_of_its_rows(page: Any, report: Path) -> None:
    page.open(report, width=390)
    page.focus("#results .scroll")
    where = "document.querySelector('#results .scroll').scrollLeft"
    name = "document.querySelector('#results tbody th').getBoundingClientRect().left"
    before = page.run(name)
    page.press("ArrowRight", 3)
    page.browser.wait(f"{where} > 20", seconds=5)
    assert page.run(name) == pytest.approx(before, abs=1)
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    regions = [n["name"]["value"] for n in tree if n.get("role", {}).get("value") == "region" and "name" in n]
    assert any(HOSTILE_START in region for region in regions)


def test_a_button_in_the_head_is_not_hidden_by_the_names_of_rows(page: Any, report: Path) -> None:
    page.open(report, width=390)
    page.run("document.querySelector('#results .scroll').scrollLeft = 1e4")
    page.focus("#results thead th:nth-child(3) button")
    covered = (
        "(() => { const b = document.activeElement.getBoundingClientRect(); return "
        "document.querySelector('#results thead th').getBoundingClientRect().right > b.left + 1; })()"
    )
    assert page.run(covered) is False


def test_twenty_tasks_are_no_reason_to_complain(page: Any, report_of_twenty: Path) -> None:
    page.open(report_of_twenty)
    assert page.complaints() == []
    assert page.run("document.documentElement.scrollWidth") == 1200
    assert page.run("document.querySelectorAll('[data-task]').length") == 20
    page.focus("[data-task='19']")
    page.press("End")
    assert shares(page) == [*[0] * 19, 1]
    page.open(report_of_twenty, width=390)
    assert page.run(STICKING_OUT) == []
    assert page.complaints() == []


def test_without_scripts_the_page_says_so_and_shows_its_tables(page: Any, report: Path) -> None:
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.browser.open(report.as_uri())
        shown = "getComputedStyle(document.querySelector('#unscripted')).visibility"
        page.browser.wait(f"{shown} === 'visible'", seconds=20)
        assert "Scripts are off" in page.text("#unscripted")
        assert "needs scripts" in page.text("#explorer-view")
        assert page.run("document.querySelectorAll('#paper-claims tbody tr').length") == len(CHECKS)
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)


def test_with_scripts_it_does_not_say_so(page: Any, report: Path) -> None:
    page.open(report)
    assert page.run("document.querySelector('#unscripted')") is None
    assert "needs scripts" not in page.text("main")


def test_arms_of_a_chart_are_switched_off_and_on(page: Any, report: Path) -> None:
    page.open(report)
    marks = "document.querySelectorAll('#chart-following svg circle:not(.ring)').length"
    both = page.run(marks)
    chip = "document.querySelector('#chart-following [aria-label=Shown] .chip')"
    page.click(chip)
    assert page.run(marks) == both / 2
    assert page.run(f"{chip}.getAttribute('aria-pressed')") == "false"
    page.click(chip)
    assert page.run(marks) == both


def test_a_filter_of_a_chart_changes_it(page: Any, report: Path) -> None:
    page.open(report)
    drawn = "document.querySelector('#chart-training-edge svg polyline').getAttribute('points')"
    before = page.run(drawn)
    page.run(
        "(() => { const s = document.querySelector('#chart-training-edge select'); s.value = 'temperature'; "
        "s.dispatchEvent(new Event('change')); })()"
    )
    assert page.run(drawn) != before


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
@pytest.mark.parametrize("which", ["report", "report_of_five"])
def test_the_page_never_scrolls_sideways(
    page: Any, width: int, which: str, request: pytest.FixtureRequest
) -> None:
    page.open(request.getfixturevalue(which), width=width)
    assert page.run("document.documentElement.scrollWidth") == width
    assert page.run(STICKING_OUT) == []


def test_touch_targets_are_large_enough_on_a_small_screen(page: Any, report: Path) -> None:
    page.open(report, width=390)
    small = page.run(
        "[...document.querySelectorAll('button, select, input, nav a')].filter((e) => { "
        "const b = e.getBoundingClientRect(); return b.width && (b.width < 24 || b.height < 24); })"
        ".map((e) => e.outerHTML.slice(0, 60))"
    )
    assert small == []  # WCAG 2.2, 2.5.8


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1200])
def test_text_stands_out(page: Any, report: Path, dark: bool, width: int) -> None:
    page.open(report, dark=dark, width=width)
    page.run("document.querySelector('details').open = true")
    page.run(EVERY_PILL)
    found = page.run(CONTRAST)
    assert found["seen"] > 150
    assert found["poor"] == []


def test_the_dark_is_dark(page: Any, report: Path) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    page.open(report)
    light = page.run(background)
    page.open(report, dark=True)
    assert json.dumps(light) != json.dumps(page.run(background))
    assert max(int(part) for part in page.run(background)[4:-1].split(",")) < 64


def test_everything_that_takes_input_has_a_name_and_is_reached_by_keys(page: Any, report: Path) -> None:
    page.open(report)
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    asking = {"button", "combobox", "slider", "link"}
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node["ignored"] and node.get("role", {}).get("value") in asking
    ]
    assert {role for role, _ in named} == asking
    assert [role for role, name in named if not name] == []
    skipped = page.run("document.querySelectorAll('[tabindex=\"-1\"]').length")
    assert skipped == 0
