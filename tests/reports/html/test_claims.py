"""Claims in a page."""

import re
from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record
from dymu.reports.claims import check_claims
from dymu.reports.collect import results_of
from dymu.reports.html.claims import PaperClaims, claims_section, paper_claims, pill
from dymu.reports.paper_claims import CHECKS
from dymu.spec.ablation import Claim


def section(study: Any, **changes: Any) -> tuple[str, PaperClaims]:
    study.publish(**changes)
    results = results_of(study.store, study.manifest)
    paper = paper_claims(results, study.store, exists=lambda _: True)
    return claims_section(check_claims(results), paper), paper


def row_of(page: str, name: str) -> str:
    start = page.rindex("<tr", 0, page.index(f'<th scope="row">{name}</th>'))
    return page[start : page.index("</tr>", start)]


def test_every_claim_of_the_paper_has_a_row_with_its_verdict(study: Any) -> None:
    page, paper = section(study)
    assert page.count('<tr data-verdict="') == len(CHECKS) == len(paper.findings)
    for finding in paper.findings:
        assert row_of(page, finding.check.name).startswith(f'<tr data-verdict="{finding.outcome}">')
    assert f"Claims of the paper on {study.manifest.study}" in page


def test_only_what_was_not_reproduced_is_open_from_the_start(study: Any) -> None:
    claims = (
        Claim(metric="uniformity/c=0", direction="up", source="Table 6"),
        Claim(metric="uniformity/c=0", direction="down", source="Table 6"),
    )
    study.arms["no-affinity"] = replace(study.arms["no-affinity"], claims=claims)
    page, _ = section(study)
    opened = re.findall(r'<details class="of-verdict" data-verdict="([a-z ]+)"( open)?>', page)
    assert ("not reproduced", " open") in opened
    assert {mark for verdict, mark in opened if verdict != "not reproduced"} == {""}


def test_verdicts_are_words_and_not_only_a_colour() -> None:
    assert pill("not reproduced") == '<span class="pill" data-is="no">not reproduced</span>'


def test_a_claim_that_does_not_apply_says_why(study: Any) -> None:
    page, _ = section(study)
    assert "It is a judgement about a picture; `dymu figure 18` draws it." in row_of(page, "G21")


def test_an_undecided_claim_names_what_would_decide_it(study: Any) -> None:
    page, paper = section(study)
    waiting = next(finding for finding in paper.findings if finding.commands)
    assert "There are no records." in row_of(page, waiting.check.name)
    text = re.sub(r"<[^>]*>", "", page)
    assert text.count(waiting.commands[0]) == 1
    named = text[text.index(waiting.commands[0]) :].split("for ", 1)[1]
    assert waiting.check.name in named.split("dymu run")[0]


def test_few_seeds_and_their_records_are_named(study: Any) -> None:
    study.seeds = (0,)
    page, paper = section(study)
    few = next(finding for finding in paper.findings if finding.comparison.n)
    row = row_of(page, few.check.name)
    assert "1 of at least 3 seeds." in row
    assert "Records: branching_regularizer" in row


def test_seeds_that_disagree_are_told_apart(study: Any) -> None:
    claim = Claim(metric="uniformity/c=0", direction="up", source="Table 6")
    study.arms["no-affinity"] = replace(study.arms["no-affinity"], claims=(claim,))

    def change(arm: str, seed: int, record: Record) -> Record:
        if arm != "no-affinity":
            return record
        value = record.values["uniformity/c=0"]
        raised = replace(value, value=value.value + (1.0 if seed == 1 else -1.0))
        return replace(record, values={**record.values, "uniformity/c=0": raised})

    page, _ = section(study, change=change)
    assert "3 seeds disagree: above 0 at 1; below 0 at 0, 2." in page
    assert "Claims of this question" in page


def test_mixed_records_are_left_out_and_the_page_says_so(study: Any) -> None:
    def change(arm: str, _: int, record: Record) -> Record:
        return replace(record, data_digest="another") if arm == "no-affinity" else record

    study.publish(change)
    refused = results_of(study.store, study.manifest, allow_mixed=True)
    alone = replace(refused, mixed=())
    page = claims_section([], paper_claims(alone, study.store, exists=lambda _: True))
    assert "Left out of the claims of the paper" in page
    assert "digest of the data" in page
    page = claims_section([], paper_claims(refused, study.store, exists=lambda _: True))
    assert "rest on mixed records" in page


def test_without_evidence_the_page_says_why(study: Any) -> None:
    study.publish()
    results = results_of(study.store, study.manifest)
    elsewhere = replace(results, manifest=replace(results.manifest, study="elsewhere"))
    paper = paper_claims(elsewhere, study.store, exists=lambda _: True)
    page = claims_section([], paper)
    assert "Claims of the paper are not checked" in page
    assert "the store knows no study" in page
    assert paper.num_applicable == 0


@pytest.mark.parametrize("outcome", ["reproduced", "not reproduced", "undecided", "not applicable"])
def test_counts_add_up(study: Any, outcome: Any) -> None:
    page, paper = section(study)
    assert page.count(f'<tr data-verdict="{outcome}"') == paper.count(outcome)
    assert paper.num_applicable + paper.count("not applicable") == len(CHECKS)
