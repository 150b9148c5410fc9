import threading
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.register import Entry, FileRegister
from dymu.errors import StoreError

SWAPPER = """
import sys
from pathlib import Path
from dymu.artifacts.register import FileRegister

register, wins = FileRegister(Path(sys.argv[1])), 0
while wins < 20:
    found = register.read()
    wins += register.swap(found, str(int(found.text or 0) + 1)) is not None
"""


def test_nothing_written_is_free(file_register: FileRegister, tmp_path: Path) -> None:
    assert file_register.read() == Entry()
    assert not list(tmp_path.iterdir())


def test_swap_replaces_what_is_as_expected(file_register: FileRegister) -> None:
    first = file_register.swap(Entry(), "one")
    assert first == Entry(text="one")
    assert file_register.swap(first, "two") == Entry(text="two")
    assert file_register.read().text == "two"


def test_swap_refuses_what_is_not_as_expected(file_register: FileRegister) -> None:
    assert file_register.swap(Entry(text="one"), "two") is None
    file_register.swap(Entry(), "one")
    assert file_register.swap(Entry(), "two") is None
    assert file_register.read().text == "one"


def test_empty_text_frees(file_register: FileRegister) -> None:
    held = file_register.swap(Entry(), "one")
    assert held is not None
    assert file_register.swap(held, "") == Entry()
    assert file_register.read() == Entry()


def test_locked_register_is_not_replaced(file_register: FileRegister) -> None:
    with file_register.locked() as mine:
        assert mine
        assert file_register.swap(Entry(), "one") is None
        with file_register.locked() as also_mine:
            assert not also_mine
    assert file_register.swap(Entry(), "one") is not None


def test_of_many_threads_one_wins(file_register: FileRegister) -> None:
    won: list[str] = []
    start = threading.Barrier(8)

    def take(name: str) -> None:
        start.wait()
        if file_register.swap(Entry(), name) is not None:
            won.append(name)

    threads = [threading.Thread(target=take, args=(f"t{index}",)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [file_register.read().text] == won


def test_processes_lose_no_update(tmp_path: Path, run_python: Any) -> None:
    file = tmp_path / "count.json"
    processes = [run_python(SWAPPER, file) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert FileRegister(file).read().text == "60"


@pytest.mark.parametrize("function", ["mkdir", "open", "replace"])
def test_disk_error_leaves_the_old_content(
    file_register: FileRegister, fail_on: Any, monkeypatch: pytest.MonkeyPatch, function: str, disk_error: int
) -> None:
    fail_on(function, disk_error)
    with pytest.raises(StoreError, match=r"cannot (lock|write|read) "):
        file_register.swap(Entry(), "one")
    monkeypatch.undo()
    assert file_register.read() == Entry()
    assert file_register.swap(Entry(), "one") is not None
