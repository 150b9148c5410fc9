"""What the documents point to exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FOLDERS = ("dymu", "tests", "docs", "studies", "ablations", "benchmarks")


def links(text: str) -> Iterator[tuple[str, str]]:
    """Relative Markdown links and images as file and anchor; either may be empty."""
    for target in re.findall(
        r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    ):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            yield file, anchor


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a page: lower case, no punctuation, hyphens for blanks."""
    bare = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", bare, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


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
    dead = []
    for file, anchor in links(page.read_text(encoding="utf-8")):
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            dead.append(f"{file}#{anchor}" if anchor else file)
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    dead = [name for name in paths(page.read_text(encoding="utf-8")) if not (ROOT / name).exists()]
    assert not dead


def test_the_study_in_the_readme_is_the_one_in_the_repository() -> None:
    code = re.search(
        r"```python excerpt\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert code is not None
    assert code.group(1) in (ROOT / "studies" / "digits.py").read_text(encoding="utf-8")


def test_the_readme_sells_on_its_first_screen() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:30]
    commands = [line for line in first if line.startswith("make ")]
    assert [line for line in first if line.startswith("![")]
    assert len(commands) == 2
    assert sum(line.count("](docs/") for line in first) >= 5


def test_every_picture_and_page_is_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page not in reached:
            reached.add(page)
            found = [
                (page.parent / file).resolve() for file, _ in links(page.read_text(encoding="utf-8")) if file
            ]
            todo += [target for target in found if target.suffix == ".md"]
            reached |= {target for target in found if target.suffix == ".png"}
    made = {*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/images/*.png")}
    assert {path.name for path in made - reached} == set()


def test_decisions_have_their_four_parts() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == ["Context", "Decision", "Alternatives refused", "Consequences"], page.name


def test_pages_name_no_machine() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for known in ("/home/ray/", "STORE/work/"):  # the user in Ray's images, a folder of every store
            text = text.replace(known, "")
        assert not re.search(r"/(work|tmp|home|root|opt)/", text), page.name
