"""The paper's claims about the controller beside other methods: G6 to G12, as data."""

from dymu.reports.checks import (
    ENDS,
    Amount,
    Case,
    Check,
    as_printed,
    both_ends,
    drops_more,
    exceeds,
    frugal,
    least,
    only_if,
    rich,
    within,
)
from dymu.reports.measures_between import (
    sided_at_other_reference,
    sooner_than_static_nets,
)
from dymu.reports.measures_settings import ARMS, SINGLE_TASK, wider_range_with_own_features
from dymu.spec.ablation import BASELINE

_HV = "hypervolume"
_BEST = "best_point_hypervolume"
_UNIFORMITY = "uniformity"
_SIZE = "active_parameters"
_MACS = "active_macs"
_PHN = "phn"
_PHN_BN = "phn-bn"
_SINGLE = SINGLE_TASK
_GRID = "static-grid"
_PLAIN = "without-adaptation"
_RECALIBRATED = "recalibrated"
_BASELINES = "ablations.baselines"
_ADAPTATION = "ablations.adaptation"
_REGULARIZER = "ablations.branching_regularizer"
_MAIN = "Tables 1 to 4"
_DENSE_METRICS = ("mean_iou", "mean_angle_error", "depth_rmse", "max_jaccard", "edge_loss")


def _is_dense(case: Case) -> bool:
    names = [name for name in case.results.infos if name.startswith("task/")]
    return any(name.split("/")[2].startswith(_DENSE_METRICS) for name in names)


QUALITY: tuple[Check, ...] = (
    Check(
        name="G6a",
        text="Higher hypervolume at c = 0 than PHN-BN",
        quantity="HV beyond PHN-BN's",
        source=_MAIN,
        measure=exceeds(rich(_HV), rich(_HV, _PHN_BN)),
        arms=(BASELINE, _PHN_BN),
        question=_BASELINES,
    ),
    Check(
        name="G6b",
        text="Higher hypervolume of PHN-BN than of PHN",
        quantity="HV of PHN-BN beyond PHN's",
        source=_MAIN,
        measure=exceeds(rich(_HV, _PHN_BN), rich(_HV, _PHN)),
        arms=(BASELINE, _PHN_BN, _PHN),
        question=_BASELINES,
    ),
    Check(
        name="G6c",
        text="Hypervolume at c = 0 no lower than at c = 1",
        quantity="HV at c = 0 beyond c = 1",
        source=_MAIN,
        measure=both_ends(exceeds(rich(_HV), frugal(_HV), ties=True)),
        may_tie=True,
        question=_REGULARIZER,
    ),
    Check(
        name="G6d",
        text="G6a at the reference point that fits the paper",
        quantity="HV beyond PHN-BN's",
        source=f"{_MAIN}; docs/protocol.md, nos. 49 and 50",
        measure=sided_at_other_reference(rich(_HV), rich(_HV, _PHN_BN)),
        arms=(BASELINE, _PHN_BN),
        question=_BASELINES,
    ),
    Check(
        name="G7a",
        text="HV at c = 0 sided to single-task as in the paper",
        quantity="HV beyond theirs, or below where the paper's is",
        source=_MAIN,
        measure=as_printed(rich(_HV), rich(_HV, _SINGLE)),
        arms=(BASELINE, _SINGLE),
        question=_BASELINES,
    ),
    Check(
        name="G7b",
        text="HV at c = 1 sided to single-task as in the paper",
        quantity="HV beyond theirs, or below where the paper's is",
        source=_MAIN,
        measure=as_printed(frugal(_HV), rich(_HV, _SINGLE)),
        arms=(BASELINE, _SINGLE),
        question=_BASELINES,
    ),
    Check(
        name="G7c",
        text="Control: the best single point beats them too",
        quantity="HV of the best loss vector at c = 0 beyond that of the single-task nets",
        source="docs/protocol.md",
        measure=exceeds(rich(_BEST), rich(_HV, _SINGLE)),
        arms=(BASELINE, _SINGLE),
        question=_BASELINES,
    ),
    Check(
        name="G7d",
        text="G7a at the reference point that fits the paper",
        quantity="HV beyond theirs, or below where the paper's is",
        source=f"{_MAIN}; docs/protocol.md, nos. 49 and 50",
        measure=sided_at_other_reference(rich(_HV), rich(_HV, _SINGLE)),
        arms=(BASELINE, _SINGLE),
        question=_BASELINES,
    ),
    Check(
        name="G8a",
        text="c costs more HV where tasks need own features",
        quantity="fall of HV from c = 0 to c = 1 in the setting whose single-task nets are above c = 1, "
        "beyond that in the one where they are below",
        source="Section 4.4, Tables 1 to 4",
        between=wider_range_with_own_features(relative=False),
        arms=ARMS,
        question=_BASELINES,
    ),
    Check(
        name="G8b",
        text="The same as parts of HV at c = 0",
        quantity="the same with falls as parts of HV at c = 0, as two settings have no common unit",
        source="Section 4.4, Tables 1 to 4",
        between=wider_range_with_own_features(relative=True),
        arms=ARMS,
        question=_BASELINES,
    ),
    Check(
        name="G9a",
        text="Higher uniformity at c = 0 than PHN",
        quantity="uniformity beyond PHN's",
        source=_MAIN,
        measure=exceeds(rich(_UNIFORMITY), rich(_UNIFORMITY, _PHN)),
        arms=(BASELINE, _PHN),
        question=_BASELINES,
    ),
    Check(
        name="G9b",
        text="Higher uniformity at c = 0 than PHN-BN",
        quantity="uniformity beyond PHN-BN's",
        source=_MAIN,
        measure=exceeds(rich(_UNIFORMITY), rich(_UNIFORMITY, _PHN_BN)),
        arms=(BASELINE, _PHN_BN),
        question=_BASELINES,
    ),
    Check(
        name="G9c",
        text="Control: uniformity above a blind model's",
        quantity="uniformity at c = 0 above that of equal losses that ignore r, at the same preferences",
        source="docs/protocol.md",
        measure=exceeds(rich(_UNIFORMITY), Amount(metric="uniformity_floor", bare=True)),
        question=_REGULARIZER,
    ),
    Check(
        name="G10a",
        text="Adaptation raises hypervolume at c = 0",
        quantity="HV beyond that without adaptation",
        source=_MAIN,
        measure=exceeds(rich(_HV), rich(_HV, _PLAIN)),
        arms=(BASELINE, _PLAIN),
        question=_ADAPTATION,
    ),
    Check(
        name="G10b",
        text="Adaptation raises hypervolume at c = 1",
        quantity="HV beyond that without adaptation",
        source=_MAIN,
        measure=exceeds(frugal(_HV), frugal(_HV, _PLAIN)),
        arms=(BASELINE, _PLAIN),
        question=_ADAPTATION,
    ),
    Check(
        name="G10c",
        text="Adaptation changes neither parameters nor MACs",
        quantity=".001 less the relative change, least favourable c",
        source=_MAIN,
        measure=least(
            *(
                within(
                    Amount(metric=metric, end=end),
                    Amount(metric=metric, arm=_PLAIN, end=end),
                    tolerance=0.001,
                )
                for metric in (_SIZE, _MACS)
                for end in ENDS
            )
        ),
        arms=(BASELINE, _PLAIN),
        question=_ADAPTATION,
    ),
    Check(
        name="G10d",
        text="Adaptation lowers uniformity at c = 0",
        quantity="uniformity without adaptation beyond that with it",
        source=_MAIN,
        measure=exceeds(rich(_UNIFORMITY, _PLAIN), rich(_UNIFORMITY)),
        arms=(BASELINE, _PLAIN),
        question=_ADAPTATION,
    ),
    Check(
        name="G10e",
        text="Control: more than recalibrated statistics alone",
        quantity="HV at c = 0 beyond that without adaptation but with recalibrated statistics",
        source="docs/protocol.md, no. 14",
        measure=exceeds(rich(_HV), rich(_HV, _RECALIBRATED)),
        arms=(BASELINE, _RECALIBRATED),
        question=_ADAPTATION,
    ),
    Check(
        name="G11a",
        text="Unadapted: uniformity .82 or more, at every c",
        quantity="uniformity above .82, lowest c",
        source="Tables 1 to 3",
        measure=only_if(
            _is_dense,
            "it is about dense prediction",
            least(
                *(exceeds(Amount(metric=_UNIFORMITY, arm=_PLAIN, end=end), 0.82, ties=True) for end in ENDS)
            ),
        ),
        arms=(BASELINE, _PLAIN),
        may_tie=True,
        question=_ADAPTATION,
    ),
    Check(
        name="G11b",
        text="Unadapted: HV falls more from c = 0 to c = 1",
        quantity="fall of HV without adaptation beyond that with it",
        source=_MAIN,
        measure=drops_more(_PLAIN, BASELINE, _HV),
        arms=(BASELINE, _PLAIN),
        question=_ADAPTATION,
    ),
    Check(
        name="G12",
        text="HV of many static nets in less training time",
        quantity="time of the nets that reach it beyond its own, relative; at most that of all nets",
        source="Figure 6",
        measure=sooner_than_static_nets,
        arms=(BASELINE, _GRID),
        question=_BASELINES,
    ),
)
