"""The report as one HTML file: opens from disk, asks nobody for anything, and escapes whatever it is told."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from dymu import __version__
from dymu.artifacts.preference_grid import PreferenceGrid
from dymu.artifacts.store import Store
from dymu.reports.claims import Verdict, check_claims
from dymu.reports.collect import Cell, Results
from dymu.reports.figures import figures_of
from dymu.reports.grid import compare_with_grid, has_grid
from dymu.reports.grid_table import grid_table
from dymu.reports.html.charts import charts_of
from dymu.reports.html.claims import OUTCOMES, PaperClaims, claims_section, paper_claims
from dymu.reports.html.drawn import figures_section
from dymu.reports.html.explorer import explorer_data
from dymu.reports.html.lists import (
    cost_table,
    differences_table,
    environment_table,
    provenance_table,
    seeds_table,
)
from dymu.reports.html.markup import Markup, embedded_json, join, tag
from dymu.reports.html.methods import methods_text
from dymu.reports.html.spent import Spent, duration, provenance_of, spent_by_stage, uses_of
from dymu.reports.html_table import as_html
from dymu.reports.metric_table import table_of
from dymu.reports.table import Table

_INTERACTIVE = ("curves",)  # the report draws training curves itself
_UNSCRIPTED = tag("p", "This part needs scripts.", class_="note")
_OTHERWISE = [outcome for outcome in OUTCOMES if outcome != "reproduced"]


def report_page(
    results: Results,
    store: Store,
    grids: Mapping[Cell, PreferenceGrid | None],
    *,
    exists: Callable[[str], bool] = lambda _: True,
) -> str:
    """The whole report.

    Args:
        results: Records of a study or question.
        store: Where provenance and training logs are read.
        grids: What the controllers of its arms and seeds predict, for those whose weights are there.
        exists: Whether a study or question can be run; claims of the paper that nothing can decide do not
            apply.

    Returns:
        HTML; the same for the same records.

    Raises:
        ReportError: If the records do not have what a table shows.
    """
    uses = uses_of(results)
    provenance = provenance_of(store, [address for *_, address in uses])
    spent = spent_by_stage(uses, provenance)
    verdicts = check_claims(results)
    paper = paper_claims(results, store, exists=exists)
    explorer = explorer_data(results, grids)
    charts = charts_of(results, store)
    drawn = figures_of(results, store, without=_INTERACTIVE)
    sections = {
        "results": ("Results", _results_section(results, store)),
        "explorer": ("Explorer", _explorer_section(explorer)),
        "charts": ("Charts", _charts_section(charts)),
        "figures": ("Figures", figures_section(drawn)),
        "claims": ("Claims", claims_section(verdicts, paper)),
        "methods": ("Methods", _methods_section(results)),
        "cost": ("Cost", _cost_section(spent)),
        "environment": ("Environment", _table_section(seeds_table(results), environment_table(provenance))),
        "provenance": ("Provenance", _provenance_section(uses, provenance)),
    }
    shown = {name: (title, body) for name, (title, body) in sections.items() if body}
    main = join(
        _header(results, verdicts, paper, spent["total"]),
        *(_section(name, title, body) for name, (title, body) in shown.items()),
    )
    data = {"explorer": explorer, "charts": charts}
    return _document(results.manifest.title or results.manifest.name, _navigation(shown), main, data)


def _document(title: str, navigation: Markup, main: Markup, data: Mapping[str, Any]) -> str:
    style, script = _asset("report.css"), _asset("report.js")
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{known}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"dymu {__version__}"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{title} – dymu report"),
        tag("style", Markup(style)),
    )
    body = tag(
        "body",
        tag("a", "Skip to results", class_="skip", href="#results"),
        navigation,
        # The script takes this away; it shows late, so that it does not flash before that.
        tag(
            "div",
            tag("strong", "Scripts are off or blocked here. "),
            "Tables, figures and claims can be read; the explorer, the charts and sorting need scripts. Open "
            "the file itself in a browser.",
            id="unscripted",
            class_="warning",
        ),
        tag("main", main),
        tag("footer", f"Made from records by dymu {__version__}. This file needs no network."),
        tag("div", id="tip", role="tooltip", hidden=True),
        embedded_json(data, identity="data"),
        tag("script", Markup(script)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _asset(name: str) -> str:
    text = (files("dymu.reports.html") / "assets" / name).read_text(encoding="utf-8")
    assert "</" + name.rpartition(".")[2].replace("js", "script").replace("css", "style") not in text
    return text


def _navigation(sections: Mapping[str, tuple[str, Markup]]) -> Markup:
    links = [tag("li", tag("a", title, href=f"#{name}")) for name, (title, _) in sections.items()]
    return tag("nav", tag("ul", *links), aria_label="Sections")


def _section(name: str, title: str, body: Markup) -> Markup:
    return tag(
        "section", tag("h2", title, id=f"{name}-title"), body, id=name, aria_labelledby=f"{name}-title"
    )


def _header(results: Results, verdicts: Sequence[Verdict], paper: PaperClaims, total: Spent) -> Markup:
    manifest = results.manifest
    line = " · ".join(text for text in (manifest.source, f"study {manifest.study}", manifest.target) if text)
    cells = len(results.records) + len(results.missing)
    facts = [
        ("arms", str(len(results.arms)), ""),
        ("seeds", str(len(manifest.seeds)), f"{len(results.records)} of {cells} records"),
        ("time", duration(total.wall), f"{duration(total.saved)} saved by the cache"),
    ]
    if verdicts:
        held = sum(verdict.decision == "reproduced" for verdict in verdicts)
        counts = [f"{sum(v.decision == other for v in verdicts)} {other}" for other in _OTHERWISE[:2]]
        facts.append(("own claims", f"{held} of {len(verdicts)}", f"reproduced, {', '.join(counts)}"))
    if paper.evidence is not None:
        counts = [f"{paper.count(other)} {other}" for other in _OTHERWISE]
        reproduced = f"{paper.count('reproduced')} of {paper.num_applicable}"
        facts.append(("paper's claims", reproduced, f"reproduced, {', '.join(counts)}"))
    else:
        facts.append(("paper's claims", "–", "not checked; see Claims"))
    return tag(
        "header",
        tag("p", line, class_="kicker"),
        tag("h1", manifest.title or manifest.name),
        tag(
            "dl",
            *(
                tag(
                    "div", tag("dt", name), tag("dd", value), tag("dd", note, class_="note") if note else None
                )
                for name, value, note in facts
            ),
            class_="facts",
        ),
        _missing(results),
    )


def _missing(results: Results) -> Markup | None:
    names = {arm.name for arm in results.arms}
    seeds: dict[str, list[int]] = {}
    for entry in results.missing:
        if entry.arm in names:
            seeds.setdefault(results.arm(entry.arm).label, []).append(entry.seed)
    if not seeds:
        return None
    rows = (
        tag("li", f"{label}, seed{'s' if len(of) > 1 else ''} {', '.join(map(str, of))}")
        for label, of in seeds.items()
    )
    return tag(
        "div",
        tag("strong", "Missing"),
        tag("ul", *rows),
        tag(
            "p",
            tag("code", f"dymu status {results.manifest.name}"),
            " says whether they failed, wait or run; notes below the table name what makes them.",
            class_="note",
        ),
        class_="warning",
    )


def _results_section(results: Results, store: Store) -> Markup:
    tables = [table_of(results)]
    if has_grid(results):
        tables.append(grid_table(compare_with_grid(results, store)))
    return _table_section(*tables)


def _table_section(*tables: Table | None) -> Markup:
    return join(*(Markup(as_html(table)) for table in tables if table is not None and table.rows))


def _explorer_section(data: Mapping[str, Any] | None) -> Markup:
    if data is None:
        return Markup()
    return join(
        tag(
            "p",
            "Move the preference r among the tasks and the resource preference c: the network that the "
            "trained controller predicts changes with them. All of it was computed when this file was made.",
        ),
        tag("div", _UNSCRIPTED, id="explorer-view", class_="explorer"),
    )


def _charts_section(charts: Sequence[Mapping[str, Any]]) -> Markup:
    return join(
        *(
            tag("div", tag("h3", chart["title"]), _UNSCRIPTED, id=f"chart-{chart['id']}", class_="chart")
            for chart in charts
        )
    )


def _methods_section(results: Results) -> Markup:
    return join(
        tag("p", " ".join(methods_text(results)), class_="methods"),
        _table_section(differences_table(results)),
    )


def _cost_section(spent: Mapping[str, Spent]) -> Markup:
    total = spent["total"]
    share = total.saved / (total.wall + total.saved) if total.wall + total.saved else 0.0
    return join(
        tag(
            "p",
            f"{total.steps} steps took {duration(total.wall)} by the clock and {duration(total.cpu)} of CPU, "
            f"{duration(total.device) if total.device else 'none'} on accelerators. Arms and seeds need them "
            f"{total.uses} times: "
            f"the cache saved {duration(total.saved)}, {100 * share:.0f} % of what they would take alone.",
        ),
        _table_section(cost_table(spent)),
    )


def _provenance_section(uses: Sequence[Any], provenance: Mapping[str, Mapping[str, Any]]) -> Markup:
    table = provenance_table(uses, provenance)
    return tag(
        "details",
        tag("summary", f"{len(table.rows)} steps by address"),
        _table_section(table),
    )
