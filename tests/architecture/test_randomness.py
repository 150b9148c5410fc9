"""No module of dymu draws from, or seeds, a generator that it was not handed (ADR 0008)."""

import ast
from collections.abc import Iterator, Mapping

import pytest

# Functions of torch, tensors and torch.nn.init that draw; all but the *_like ones take generator=.
DRAWS = frozenset(
    {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}
    | {"rand_like", "randn_like", "randint_like"}
    | {"uniform_", "normal_", "exponential_", "bernoulli_", "random_", "cauchy_", "geometric_", "log_normal_"}
    | {"trunc_normal_", "orthogonal_", "sparse_", "xavier_uniform_", "xavier_normal_"}
    | {"kaiming_uniform_", "kaiming_normal_"}
)
# Functions that draw and cannot be handed a generator, or set a global one.
GLOBAL = frozenset(
    {"manual_seed", "manual_seed_all", "seed_all", "fork_rng", "set_rng_state"}
    | {"gumbel_softmax", "dropout", "alpha_dropout", "Dropout", "Dropout1d", "Dropout2d", "rsample"}
)
ALLOWED_FROM_NUMPY = frozenset(
    {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64", "Philox"}
)


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of a chain of attributes; a call or subscript at its root is ``?``."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr}"
        case _:
            return "?"


def global_draws(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every use of a global generator."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names, lineno=line):
                yield from ((line, "import random") for alias in names if alias.name == "random")
            case ast.ImportFrom(module="random", lineno=line):
                yield line, "from random import"
            case ast.Attribute(value=ast.Attribute(attr="random") | ast.Name(id="random")) if (
                dotted(node).startswith(("np.random.", "numpy.random."))
                and node.attr not in ALLOWED_FROM_NUMPY
            ):
                yield node.lineno, dotted(node)
            case ast.Call(func=ast.Attribute() | ast.Name()):
                yield from _suspicious_call(node)


def _suspicious_call(call: ast.Call) -> Iterator[tuple[int, str]]:
    name = dotted(call.func)
    leaf = name.rpartition(".")[2]
    keywords = {keyword.arg for keyword in call.keywords}
    if leaf == "default_rng" and not call.args and not keywords:
        yield call.lineno, f"{name}() without a seed"
    # A bare name is a function of dymu, for instance its own gumbel_softmax, which is handed the noise.
    if leaf in GLOBAL and leaf != name and not _seeds_a_new_generator(call):
        yield call.lineno, name
    # numpy's Generator has methods of the same names; it is an argument by construction.
    if (
        leaf in DRAWS
        and "generator" not in keywords
        and (name.startswith(("torch.", "nn.", "?")) or leaf[-1] == "_")
    ):
        yield call.lineno, f"{name} without generator="


def _seeds_a_new_generator(call: ast.Call) -> bool:
    """``torch.Generator().manual_seed(key)`` makes one; ``torch.manual_seed(key)`` sets the global one."""
    match call.func:
        case ast.Attribute(attr="manual_seed", value=ast.Call(func=made)):
            return dotted(made).endswith("Generator")
        case _:
            return False


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from random import shuffle",
        "np.random.seed(0)",
        "np.random.rand(3)",
        "numpy.random.normal()",
        "np.random.default_rng()",
        "torch.manual_seed(0)",
        "torch.cuda.manual_seed_all(0)",
        "torch.randn(3)",
        "torch.randn_like(x)",
        "torch.empty(3).uniform_()",
        "weight.data.normal_(0, 1)",
        "nn.init.kaiming_normal_(weight)",
        "functional.gumbel_softmax(logits)",
        "nn.Dropout(0.5)",
    ],
)
def test_the_guard_sees(source: str) -> None:
    assert list(global_draws(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "torch.randn(3, generator=generator)",
        "weight.normal_(0, 1, generator=generator)",
        "torch.Generator().manual_seed(key)",
        "gumbel_softmax(logits, noise, temperature)",
        "np.random.default_rng(key)",
        "rng: np.random.Generator",
        "rng.normal(size=3)",
        "rng.permutation(3)",
    ],
)
def test_the_guard_lets_pass(source: str) -> None:
    assert not list(global_draws(ast.parse(source)))


def test_no_module_uses_a_global_generator(trees: Mapping[str, ast.Module]) -> None:
    found = [f"{name}:{line} {what}" for name, tree in trees.items() for line, what in global_draws(tree)]
    assert not found, "take a generator from RunContext.random instead"
