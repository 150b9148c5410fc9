"""The whole page: one file, nothing foreign, all text as text."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from dymu.reports.collect import Results, results_of
from dymu.reports.figures import figures_of
from dymu.reports.html.document import report_page
from dymu.reports.paper_claims import CHECKS
from dymu.spec.ablation import Claim

HOSTILE = "</script><img src=x onerror=\"alert('1')\">&lt;b&gt;`${1}`"
VOID = {"meta", "link", "input", "br", "hr"}


class Outline(HTMLParser):
    """Elements, attributes and whether everything that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures have tests of their own and take seconds."""
    monkeypatch.setattr("dymu.reports.html.document.figures_of", lambda *_, **__: {})


@pytest.fixture
def page_of(study: Any) -> Callable[[], str]:
    def made() -> str:
        study.publish()
        study.publish_training()
        return report_page(results_of(study.store, study.manifest), study.store, {})

    return made


def data_of(page: str) -> Any:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_everything_that_is_opened_is_closed(page_of: Callable[[], str]) -> None:
    assert Outline(page_of()).open == []


def test_ids_are_unique_and_links_lead_somewhere(page_of: Callable[[], str]) -> None:
    outline = Outline(page_of())
    ids = [str(attributes["id"]) for _, attributes in outline.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {str(link["href"])[1:] for link in outline.all("a")} <= set(ids)


def test_nothing_is_fetched(page_of: Callable[[], str]) -> None:
    outline = Outline(page_of())
    sources = [
        a[name] for _, a in outline.elements for name in ("src", "href", "action", "srcset") if a.get(name)
    ]
    assert all(str(source).startswith(("#", "data:")) for source in sources)
    assert "@import" not in page_of()
    assert "url(" not in page_of()


def test_the_policy_allows_this_script_alone_and_no_network(page_of: Callable[[], str]) -> None:
    page = page_of()
    policy = next(
        str(meta["content"])
        for meta in Outline(page).all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    script = page[page.rindex("<script>") + len("<script>") : page.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_hostile_names_stay_text(study: Any, page_of: Callable[[], str]) -> None:
    study.arms["baseline"] = replace(study.arms["baseline"], label=HOSTILE, source=HOSTILE)
    claim = Claim(metric="uniformity/c=0", direction="up", against="zero", source=HOSTILE)
    study.arms["no-affinity"] = replace(study.arms["no-affinity"], label=HOSTILE * 2, claims=(claim,))
    study.tasks = (HOSTILE.replace("/", "-"), "b", "c")
    page = page_of()
    outline = Outline(page)
    assert not outline.all("img")
    assert not [a for _, a in outline.elements if any(name.startswith("on") for name in a)]
    assert len(outline.all("script")) == 2
    assert data_of(page)["explorer"]["arms"][0]["label"] == HOSTILE


def test_the_same_records_make_the_same_file(page_of: Callable[[], str]) -> None:
    assert page_of() == page_of()


def test_the_page_tells_results_claims_costs_and_addresses(study: Any, page_of: Callable[[], str]) -> None:
    claim = Claim(metric="uniformity/c=0", direction="up", against="zero", source="Table 6")
    study.arms["no-affinity"] = replace(study.arms["no-affinity"], claims=(claim,))
    page = page_of()
    for text in (
        "no L_inactive",
        "[13.43]",
        "reproduced",
        "saved by the cache",
        "edge/digits-ours-baseline-2",
    ):
        assert text in page
    ids = [section["id"] for section in Outline(page).all("section")]
    assert ids == ["results", "explorer", "charts", "claims", "methods", "cost", "environment", "provenance"]


def test_the_head_counts_the_papers_claims(page_of: Callable[[], str]) -> None:
    found = re.search(r"<dt>paper&#x27;s claims</dt><dd>(\d+) of (\d+)</dd>", page_of())
    assert found is not None
    assert 0 < int(found[1]) <= int(found[2]) <= len(CHECKS)


def test_claims_that_cannot_be_checked_leave_a_report(study: Any, results: Results) -> None:
    elsewhere = replace(results, manifest=replace(results.manifest, study="elsewhere"))
    page = report_page(elsewhere, study.store, {})
    assert "Claims of the paper are not checked" in page
    assert "not checked; see Claims" in page


def test_without_scripts_the_page_says_what_is_missing(page_of: Callable[[], str]) -> None:
    page = page_of()
    assert "Scripts are off or blocked here." in page
    assert page.count("This part needs scripts.") == 1 + len(data_of(page)["charts"])


def test_missing_records_are_listed(study: Any, page_of: Callable[[], str]) -> None:
    study.without = (("no-affinity", 1),)
    page = page_of()
    assert "<li>no task affinity, seed 1</li>" in page
    assert f"dymu status {study.manifest.name}" in page


def test_missing_seeds_of_an_arm_are_one_line(study: Any, page_of: Callable[[], str]) -> None:
    study.without = (("no-affinity", 0), ("no-affinity", 2))
    assert "<li>no task affinity, seeds 0, 2</li>" in page_of()


def test_figures_are_drawn_into_the_page(
    study: Any, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 5"/>'
    drawn = {"affinity": svg, "curves": svg}
    monkeypatch.setattr(
        "dymu.reports.html.document.figures_of",
        lambda *_, without: {name: svg for name, svg in drawn.items() if name not in without},
    )
    outline = Outline(report_page(results, study.store, {}))
    assert [svg["aria-label"] for svg in outline.all("svg")] == [
        "Affinity of the tasks on the anchor net's features"
    ]


def test_curves_are_left_to_the_charts(study: Any, results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dymu.reports.figures.for_run", lambda *_: ("curves", "cost_distribution"))
    monkeypatch.setattr("dymu.reports.figures.svg_text", lambda _, name: name)
    assert set(figures_of(results, study.store, without=("curves",))) == {"cost_distribution"}
