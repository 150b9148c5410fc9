"""The report as one HTML file: opens from disk, asks nobody for anything, and escapes whatever it is told."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from dymu import __version__
from dymu.artifacts.preference_grid import PreferenceGrid
from dymu.artifacts.store import Store
from dymu.reports.claims import Verdict, check_claims, claims_table
from dymu.reports.collect import Cell, Results
from dymu.reports.figures import figures_of
from dymu.reports.grid import compare_with_grid, has_grid
from dymu.reports.grid_table import grid_table
from dymu.reports.html.charts import charts_of
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
from dymu.reports.html.vector import inline, is_wide
from dymu.reports.html_table import as_html
from dymu.reports.metric_table import table_of
from dymu.reports.table import Table

_CAPTIONS = {
    "resource_map": "Where on the simplex of preferences how much network runs",
    "cost_distribution": "How active parameters are distributed over preferences",
    "preference_loss": "Loss of each task against its share of the preference",
    "trade_off": "Losses of pairs of tasks against each other",
    "affinity": "How much the tasks' features agree, layer by layer",
    "seeds": "How much the seeds differ",
    "trees_uniform": "Predicted trees at the uniform preference",
    "trees_corners": "Predicted trees where one task matters most",
    "hypervolume": "The hypervolume that the losses dominate",
    "resource_entropy": "How much network runs, by how even the preference is",
    "sweep": "What changes with the setting that is swept",
    "static_grid": "A controller beside static networks of the same training time",
}
_INTERACTIVE = ("curves",)  # the report draws training curves itself
_DECISIONS = ("reproduced", "not reproduced", "undecided")


def report_page(results: Results, store: Store, grids: Mapping[Cell, PreferenceGrid | None]) -> str:
    """The whole report.

    Args:
        results: Records of a study or question.
        store: Where provenance and training logs are read.
        grids: What the controllers of its arms and seeds predict, for those whose weights are there.

    Returns:
        HTML; the same for the same records.

    Raises:
        ReportError: If the records do not have what a table shows.
    """
    uses = uses_of(results)
    provenance = provenance_of(store, [address for *_, address in uses])
    spent = spent_by_stage(uses, provenance)
    verdicts = check_claims(results)
    explorer = explorer_data(results, grids)
    charts = charts_of(results, store)
    drawn = figures_of(results, store, without=_INTERACTIVE)
    sections = {
        "results": ("Results", _results_section(results, store)),
        "explorer": ("Explorer", _explorer_section(explorer)),
        "charts": ("Charts", _charts_section(charts)),
        "figures": ("Figures", _figures_section(drawn)),
        "claims": ("Claims", _claims_section(verdicts)),
        "methods": ("Methods", _methods_section(results)),
        "cost": ("Cost", _cost_section(spent)),
        "environment": ("Environment", _table_section(seeds_table(results), environment_table(provenance))),
        "provenance": ("Provenance", _provenance_section(uses, provenance)),
    }
    shown = {name: (title, body) for name, (title, body) in sections.items() if body}
    main = join(
        _header(results, verdicts, spent["total"]),
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


def _header(results: Results, verdicts: Sequence[Verdict], total: Spent) -> Markup:
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
        facts.append(("claims reproduced", f"{held} of {len(verdicts)}", _verdict_counts(verdicts)))
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


def _verdict_counts(verdicts: Sequence[Verdict]) -> str:
    counts = {name: sum(verdict.decision == name for verdict in verdicts) for name in _DECISIONS[1:]}
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _missing(results: Results) -> Markup | None:
    if not results.missing:
        return None
    rows = (
        tag("li", f"{results.arm(entry.arm).label}, seed {entry.seed} {entry.address}".strip())
        for entry in results.missing
        if any(arm.name == entry.arm for arm in results.arms)
    )
    return tag("div", tag("strong", "Missing"), tag("ul", *rows), class_="warning")


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
        tag("div", tag("noscript", "The explorer needs JavaScript."), id="explorer-view", class_="explorer"),
    )


def _charts_section(charts: Sequence[Mapping[str, Any]]) -> Markup:
    return join(*(tag("div", id=f"chart-{chart['id']}", class_="chart") for chart in charts))


def _figures_section(drawn: Mapping[str, str]) -> Markup:
    return (
        tag(
            "div",
            *(
                tag(
                    "figure",
                    tag(
                        "div",
                        inline(svg, label=_caption(name)),
                        class_="paper",
                        tabindex=0,
                        role="group",
                        aria_label=_caption(name),
                    ),
                    tag("figcaption", _caption(name)),
                    class_="drawn wide" if is_wide(svg) else "drawn",
                )
                for name, svg in sorted(drawn.items(), key=lambda item: is_wide(item[1]))
            ),
            class_="figures",
        )
        if drawn
        else Markup()
    )


def _caption(name: str) -> str:
    return _CAPTIONS.get(name, name.replace("_", " ").replace("-", ", ").capitalize())


def _claims_section(verdicts: Sequence[Verdict]) -> Markup:
    return _table_section(claims_table(verdicts)) if verdicts else Markup()


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
            f"{duration(total.device)} on accelerators. Arms and seeds need them {total.uses} times: "
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
