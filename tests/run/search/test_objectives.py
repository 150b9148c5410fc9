from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.record import read_record
from dymu.artifacts.store import Store
from dymu.data.digits import Digits
from dymu.errors import SpecError
from dymu.methods.controllable import Controllable
from dymu.networks.backbones.small import SmallBackbone
from dymu.run.execute import execute_step
from dymu.run.search.objectives import check_objectives, value_names
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.search import Objective
from dymu.spec.study import Study
from dymu.stages.affinity import AffinityConfig
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.optimisation import Optimisation
from dymu.stages.validate import validation_step

SHORT = Optimisation(num_steps=2)


def test_records_have_no_other_values(place: Any, tmp_path: Path) -> None:
    backbone = SmallBackbone(channels=(2, 3, 3), resolutions=("halve", "halve", "keep"))
    study = Study(
        name="tiny",
        dataset=Digits(num_train=24, num_val=12, num_test=12),
        method=Controllable(
            anchor=AnchorRecipe(backbone=backbone, optimisation=SHORT, batch_size=4),
            affinity=AffinityConfig(num_instances=4),
            edge=EdgeConfig(optimisation=SHORT, batch_size=4),
            weight=None,
        ),
        evaluation=EvaluationConfig(
            reference_point=(9.0, 9.0, 9.0), num_preferences=5, num_cost_preferences=30
        ),
    )
    store = Store(tmp_path / "store")
    final = validation_step(study.evaluation_step(0))
    for step in final.closure():
        execute_step(step, store, place, lambda: False)
    record = read_record(store.path(final.address))
    known = value_names(study) | {"anchor_parameters", "uniformity_floor"}
    assert set(record.values) <= known
    assert {"hypervolume/c=0", "active_parameters/c=1", "loss/left/c=0"} <= set(record.values)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("hypervolume", "hypervolume"),
        ("hypervolum/c=0", "hypervolume/c=0"),
        ("loss/lef/c=1", "loss/left/c=1"),
        ("hypervolume/c=0.5", "hypervolume/c=0"),
    ],
)
def test_a_value_that_no_record_has_is_refused(make_search: Any, value: str, hint: str) -> None:
    search = make_search(objectives=(Objective(value=value, direction="maximize"),))
    if value == hint:
        check_objectives(search)
        return
    with pytest.raises(
        SpecError, match=rf"no record of curve-ours has a value '{value}' \(did you mean '{hint}"
    ):
        check_objectives(search)
