"""What the documents point to exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FOLDERS = ("dymu", "tests", "docs", "studies", "ablations", "benchmarks")


def links(text: str) -> Iterator[str]:
    """Targets of relative Markdown links, without anchors."""
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            yield target


def paths(text: str) -> Iterator[str]:
    """Paths from the root in backticks, such as `dymu/cli.py`."""
    for name in re.findall(r"`([\w./-]+)`", text):
        if name.split("/")[0] in FOLDERS and "/" in name:
            yield name


def test_there_are_pages() -> None:
    names = {page.name for page in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "protocol.md", "glossary.md", "log.md"} <= names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    dead = [
        target for target in links(page.read_text(encoding="utf-8")) if not (page.parent / target).exists()
    ]
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    dead = [name for name in paths(page.read_text(encoding="utf-8")) if not (ROOT / name).exists()]
    assert not dead


def test_the_study_in_the_readme_is_the_one_in_the_repository() -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    assert code.group(1) in (ROOT / "studies" / "digits.py").read_text(encoding="utf-8")


def test_decisions_have_their_four_parts() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == ["Context", "Decision", "Alternatives refused", "Consequences"], page.name


def test_pages_name_no_machine() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("/home/ray/", "")  # the user in Ray's images
        assert not re.search(r"/(work|tmp|home|root|opt)/", text), page.name
