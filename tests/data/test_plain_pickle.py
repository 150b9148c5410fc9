import collections
import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dymu.data.plain_pickle import read_plain_pickle
from dymu.errors import DataError
from tests.data.cifar100_tree import python2_pickle, python3_pickle, records


class Calls:
    """Pickles to a call of anything."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "batch"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_and_containers_come_back(tmp_path: Path, protocol: int) -> None:
    value: dict[str, Any] = {
        "a": np.arange(6, dtype=np.int32).reshape(2, 3),
        "b": [1, 2.5, None, True, "text", b"bytes", (1, -(2**40))],
        "c": np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
    }
    read = read_plain_pickle(written(tmp_path, pickle.dumps(value, protocol)))
    assert read["b"] == value["b"]
    for name in ("a", "c"):
        assert np.array_equal(read[name], value[name])
        assert read[name].dtype == value[name].dtype


def test_what_python_2_wrote_comes_back(tmp_path: Path) -> None:
    rows = records(per_class=1, seed=0)
    read = read_plain_pickle(written(tmp_path, python2_pickle(rows, "train")))
    assert read[b"fine_labels"] == rows[:, 1].tolist()
    assert read[b"batch_label"] == b"train batch 1 of 1"
    assert np.array_equal(read[b"data"], rows[:, 2:])


def test_the_test_writes_what_python_2_reads(tmp_path: Path) -> None:
    """Python's own reader agrees with the reader under test about the hand-made pickle."""
    rows = records(per_class=1, seed=0)
    content = python2_pickle(rows, "train").replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    own = pickle.loads(content, encoding="bytes")
    read = read_plain_pickle(written(tmp_path, content))
    assert np.array_equal(own.pop(b"data"), read.pop(b"data"))
    assert own == read


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "function", [os.system, subprocess.call, eval, exec, open, print, getattr, __import__]
)
def test_a_malicious_pickle_runs_nothing(tmp_path: Path, function: Any, protocol: int) -> None:
    target = tmp_path / "made"
    argument = (
        f"touch {target}" if function in (os.system, subprocess.call) else f"open({str(target)!r}, 'w')"
    )
    content = pickle.dumps({"data": Calls(function, argument)}, protocol)
    with pytest.raises(DataError, match=r"it names .*nothing in it was run"):
        read_plain_pickle(written(tmp_path, content))
    assert [path.name for path in tmp_path.iterdir()] == ["batch"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"cos\nsystem\n(S'touch made'\ntR.", id="reduce"),
        pytest.param(b"(S'touch made'\nios\nsystem\n.", id="inst"),
        pytest.param(b"(cos\nsystem\nS'touch made'\no.", id="obj"),
        pytest.param(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0atouch made\x85R.", id="stack_global"),
        pytest.param(b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.", id="builtin"),
        pytest.param(b"cnumpy\nload\n(S'made'\ntR.", id="another name of numpy"),
        pytest.param(b"cnumpy.core.multiarray\nfromstring\n(S'made'\ntR.", id="another name of multiarray"),
        pytest.param(b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.", id="an attribute of a stand-in"),
        pytest.param(b"Pmade\n.", id="persistent id"),
        pytest.param(b"\x80\x02\x82\x01.", id="extension"),
    ],
)
def test_every_way_of_naming_something_is_refused(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="nothing in it was run"):
        read_plain_pickle(written(tmp_path, content))
    assert [path.name for path in tmp_path.iterdir()] == ["batch"]


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict(a=1),
        {1, 2},
        complex(1, 2),
        bytearray(b"1"),
        np.array([None]),
        np.array(["text"]),
        np.array([(1, 2)], dtype=[("a", "i4"), ("b", "i4")]),
        np.float64(1),
        np.ma.masked_array([1, 2]),
        Path("x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(DataError, match="cannot be read as arrays and plain containers"):
        read_plain_pickle(written(tmp_path, pickle.dumps([value], 4)))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"cnumpy\ndtype\n(S'O'\ntR.", id="objects"),
        pytest.param(b"cnumpy\nndarray\n.", id="the class itself"),
        pytest.param(b"cnumpy\nndarray\n}S'value'\nK\x01sb.", id="state of the class"),
        pytest.param(b"cnumpy.core.multiarray\n_reconstruct\n}b.", id="state of the function"),
        pytest.param(
            b"cnumpy.core.multiarray\n_reconstruct\n(N}S'__call__'\nK\x01stb.", id="slots of the function"
        ),
        pytest.param(b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\nK\x00NtR.", id="not an array"),
        pytest.param(b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.", id="another encoding"),
        pytest.param(b"cnumpy\nndarray\n)\x81.", id="an array without content"),
    ],
)
def test_stand_ins_cannot_be_misused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="nothing in it was run"):
        read_plain_pickle(written(tmp_path, content))


def test_one_misuse_leaves_nothing_behind(tmp_path: Path) -> None:
    state = b"cnumpy.core.multiarray\n_reconstruct\n(N}S'__class__'\nK\x01stb."
    with pytest.raises(DataError):
        read_plain_pickle(written(tmp_path, state))
    value = {"a": np.arange(3)}
    read = read_plain_pickle(written(tmp_path, pickle.dumps(value, 2)))
    assert np.array_equal(read["a"], value["a"])


def test_any_truncation_is_refused(tmp_path: Path) -> None:
    content = python3_pickle(records(per_class=1, seed=0)[:2], 4)
    for size in range(len(content)):
        if size < 100 or size % 500 == 0 or size > len(content) - 20:
            with pytest.raises(DataError, match="cannot be read"):
                read_plain_pickle(written(tmp_path, content[:size]))


def test_an_array_with_fewer_bytes_than_its_shape_is_refused(tmp_path: Path) -> None:
    content = pickle.dumps(np.arange(300, dtype=np.uint8), 4)
    with pytest.raises(DataError, match="cannot reshape"):
        read_plain_pickle(written(tmp_path, content.replace(b"M\x2c\x01\x85", b"M\x2d\x01\x85")))
