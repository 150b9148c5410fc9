"""``dymu.load``."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dymu
from dymu.artifacts.store import Store
from dymu.errors import SpecError, StoreError
from dymu.run.execute import execute_step
from dymu.run.place import Place
from dymu.run.provenance import CodeVersion
from dymu.run.target import load_study

STUDIES = """
from dymu.artifacts.config import changed
from dymu.data.digits import Digits
from dymu.methods.controllable import Controllable
from dymu.methods.single_task import SingleTask
from dymu.networks.backbones.small import SmallBackbone
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.optimisation import Optimisation

SHORT = Optimisation(num_steps=2)
ANCHOR = AnchorRecipe(
    backbone=SmallBackbone(channels=(2, 3), resolutions=("halve", "keep")), optimisation=SHORT, batch_size=8
)
ours = Study(
    name="named-ours",
    dataset=Digits(num_train=40, num_val=20, num_test=20),
    method=Controllable(anchor=ANCHOR, edge=EdgeConfig(optimisation=SHORT, batch_size=4), weight=None),
    evaluation=EvaluationConfig(reference_point=(9.0, 9.0, 9.0), num_preferences=4, num_cost_preferences=8),
)
single_task = changed(ours, {"method": SingleTask(anchor=ANCHOR)})
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a module of studies, and a store in which they are trained."""
    (tmp_path / "named_studies.py").write_text(STUDIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("DYMU_STORE", raising=False)
    return tmp_path


@pytest.fixture
def trained(folder: Path) -> Store:
    store = Store(folder / ".dymu")
    study = load_study("named_studies:ours", folder=folder)
    for below in study.evaluation_step(3).closure():
        if below.stage != "evaluate":
            execute_step(below, store, Place(code=CodeVersion(revision=None, dirty=None, lock=None)), no)
    return store


def no() -> bool:
    return False


@pytest.mark.usefixtures("trained")
def test_a_study_is_found_from_the_working_directory() -> None:
    controller = dymu.load("named_studies:ours", seed=3)
    assert controller.tasks == ("left", "right", "parity")
    assert controller.source.startswith("evaluate/")
    assert repr(controller).startswith(f"TrainedController({controller.source!r}")


@pytest.mark.usefixtures("trained")
def test_a_seed_that_is_not_trained_is_named() -> None:
    with pytest.raises(StoreError, match=r"study named-ours is not trained at seed 0: anchor/.* is missing"):
        dymu.load("named_studies:ours")


@pytest.mark.usefixtures("trained")
def test_a_method_without_controller_says_so() -> None:
    with pytest.raises(SpecError, match="of method single_task has no controller"):
        dymu.load("named_studies:single_task", seed=3)


def test_a_study_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(SpecError, match=r"named_studies has no study 'theirs'; .*named_studies:ours"):
        dymu.load("named_studies:theirs", store=folder)


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("seed", [-1, "3", None])
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(SpecError, match=f"seed is {seed!r}; expected a whole number from 0 on"):
        dymu.load("named_studies:ours", seed=seed)


def test_a_module_of_studies_is_not_one_study(folder: Path) -> None:
    with pytest.raises(SpecError, match=r"expected a study \(studies.digits:ours\)"):
        dymu.load("named_studies", store=folder)


def test_importing_dymu_loads_no_torch(root: Path, tmp_path: Path) -> None:
    code = "import sys, dymu; print([name for name in ('torch', 'mlflow', 'numpy') if name in sys.modules])"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(root)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"


def test_dymu_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError, match="module 'dymu' has no attribute 'lode'"):
        dymu.lode  # type: ignore[attr-defined]  # noqa: B018
