"""Modules of a user's own classes: found below the folder, and nowhere else."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dymu.errors import SpecError
from dymu.product.own_classes import import_own_classes, own_class_names

FORM = {"type": "dymu.spec.study.Study", "parts": [{"type": "lab_classes.shapes.Shapes", "size": 3}]}


@pytest.fixture(autouse=True)
def _unloaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "lab_classes"]:
        del sys.modules[name]


def write(folder: Path, text: str) -> None:
    (folder / "lab_classes").mkdir()
    (folder / "lab_classes" / "shapes.py").write_text(text)


def test_a_module_below_the_folder_is_loaded(tmp_path: Path) -> None:
    write(tmp_path, "LOADED = True\n")
    import_own_classes(FORM, "evaluate/0", folder=tmp_path)
    assert sys.modules["lab_classes.shapes"].LOADED


def test_a_module_that_is_loaded_need_not_be_there(tmp_path: Path) -> None:
    sys.modules["lab_classes.shapes"] = sys
    import_own_classes(FORM, "evaluate/0", folder=tmp_path)


def test_an_absent_module_is_named_with_what_to_do(tmp_path: Path) -> None:
    expected = "evaluate/0 needs lab_classes.shapes.Shapes.*no module lab_classes.shapes below .*Change to"
    with pytest.raises(SpecError, match=expected):
        import_own_classes(FORM, "evaluate/0", folder=tmp_path)
    (tmp_path / "lab_classes").mkdir()
    with pytest.raises(SpecError, match=expected):
        import_own_classes(FORM, "evaluate/0", folder=tmp_path)


def test_a_module_that_fails_is_named_with_its_error(tmp_path: Path) -> None:
    write(tmp_path, "import nothing_of_this_name\n")
    with pytest.raises(SpecError, match=r"importing lab_classes\.shapes failed: ModuleNotFoundError"):
        import_own_classes(FORM, "evaluate/0", folder=tmp_path)


def test_modules_from_elsewhere_are_not_imported_because_a_store_names_them(tmp_path: Path) -> None:
    sys.modules.pop("this", None)
    with pytest.raises(SpecError, match="no module this below"):
        import_own_classes({"type": "this.That"}, "evaluate/0", folder=tmp_path)
    assert "this" not in sys.modules


def test_classes_of_dymu_need_nothing(tmp_path: Path) -> None:
    import_own_classes({"type": "dymu.data.digits.Digits"}, "evaluate/0", folder=tmp_path)


def test_own_classes_are_those_that_are_not_of_dymu() -> None:
    assert own_class_names([FORM, FORM, {"size": 3}]) == ["lab_classes.shapes.Shapes"]
