"""Nothing from the store is unpickled or executed, and only the command line prints."""

import ast
from collections.abc import Iterator, Mapping

import pytest

UNPICKLERS = frozenset({"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"})

ALLOWED = frozenset(
    {
        # The plan travels through Ray's memory from the driver to its own workers; no file is involved.
        ("dymu/run/cluster/cargo.py", "pickle.loads"),
        # Looks up no name that a file holds: arrays and plain containers alone.
        ("dymu/data/plain_pickle.py", "pickle.Unpickler"),
    }
)


def dangers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every call that could run code found in a file."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names, lineno=line) if module in UNPICKLERS:
                yield from (
                    (line, alias.name)
                    for alias in names
                    if "load" in alias.name.lower() or "pickler" in alias.name
                )
            case ast.ClassDef(bases=bases, lineno=line):
                parents = (ast.unparse(base) for base in bases)
                yield from ((line, name) for name in parents if name.rpartition(".")[2] == "Unpickler")
            case ast.Call(func=ast.Name(id="eval" | "exec" | "Unpickler" as name), lineno=line):
                yield line, name
            case ast.Call(func=ast.Attribute(attr="read_pickle" | "Unpickler" as name), lineno=line):
                yield line, name
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=module), attr="load" | "loads" as name), lineno=line
            ):
                if module in UNPICKLERS or not _loads_data_only(module, node):
                    yield line, f"{module}.{name}"


def _loads_data_only(module: str, call: ast.Call) -> bool:
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    match module:
        case "torch":
            return keywords.get("weights_only") == "True"
        case "np" | "numpy":
            return keywords.get("allow_pickle", "False") == "False"
        case "yaml":
            return False
        case _:
            return True


def prints(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print"), lineno=line):
                yield line
            case ast.Call(func=ast.Attribute(value=ast.Name(id="rich"), attr="print"), lineno=line):
                yield line
            case ast.ImportFrom(module="rich", names=names, lineno=line):
                yield from (line for alias in names if alias.name == "print")


@pytest.mark.parametrize(
    "source",
    [
        "pickle.load(file)",
        "from pickle import loads",
        "pickle.Unpickler(file)",
        "class Own(pickle.Unpickler): pass",
        "cloudpickle.loads(text)",
        "joblib.load(path)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "yaml.load(text)",
        "eval(text)",
    ],
)
def test_the_guard_sees(source: str) -> None:
    assert list(dangers(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, weights_only=True)",
        "np.load(path)",
        "json.loads(text)",
        "yaml.safe_load(text)",
        "model.eval()",
    ],
)
def test_the_guard_lets_pass(source: str) -> None:
    assert not list(dangers(ast.parse(source)))


def test_nothing_is_unpickled(trees: Mapping[str, ast.Module]) -> None:
    found = [
        f"{name}:{line} {what}"
        for name, tree in trees.items()
        for line, what in dangers(tree)
        if (name, what) not in ALLOWED
    ]
    assert not found, "store tensors as safetensors, everything else as JSON"


def test_only_the_command_line_prints(trees: Mapping[str, ast.Module]) -> None:
    found = [
        f"{name}:{line}"
        for name, tree in trees.items()
        if not name.startswith(("dymu/cli.py", "dymu/commands/"))
        for line in prints(tree)
    ]
    assert not found, "return text or log it; dymu/commands/ prints"


def test_no_module_lists_its_exports(trees: Mapping[str, ast.Module]) -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "__all__"
    ]
    assert not found, "an underscore says what is private; a list would have to be edited for every function"
