"""The paper's claims about its ablations, retrained architectures and overhead: G13 to G22, as data."""

from dymu.reports.checks import (
    FRUGAL,
    RETRAINED,
    RICH,
    Check,
    Measure,
    as_printed,
    both_ends,
    exceeds,
    frugal,
    least,
    no_more_than,
    rich,
    within,
)
from dymu.reports.measures_between import flat_over
from dymu.spec.ablation import BASELINE

_HV, _UNIFORMITY, _DROP = "hypervolume", "uniformity", "relative_drop"
_SIZE, _MACS, _SHARE = "active_parameters", "active_macs", "active_parameter_fraction"
_REGULARIZER, _THRESHOLD = "ablations.branching_regularizer", "ablations.active_threshold"
_SAMPLING, _ARCHITECTURES = "ablations.preference_sampling", "ablations.architectures"
_ADAPTATION = "ablations.adaptation"
_CONCENTRATIONS = ("concentration-0.1", "concentration-0.5", "concentration-1")


def _removed(number: str, arm: str, what: str, row: int) -> tuple[Check, ...]:
    """What rows 2 to 5 of Table 6 have in common: more parameters, lower uniformity, lower hypervolume."""
    source = f"Table 6, row {row}"

    def check(letter: str, text: str, quantity: str, measure: Measure) -> Check:
        return Check(
            name=f"{number}{letter}",
            text=f"Without {what}: {text}",
            quantity=quantity,
            source=source,
            measure=measure,
            arms=(BASELINE, arm),
            question=_REGULARIZER,
        )

    return (
        check(
            "a",
            "more parameters",
            "parameters at c = 0 beyond those with it, relative",
            exceeds(rich(_SIZE, arm), rich(_SIZE), relative=True),
        ),
        check(
            "b",
            "lower uniformity",
            "uniformity at c = 0 with it beyond that without",
            exceeds(rich(_UNIFORMITY), rich(_UNIFORMITY, arm)),
        ),
        check(
            "c",
            "lower hypervolume",
            "HV at c = 0 with it beyond that without",
            exceeds(rich(_HV), rich(_HV, arm)),
        ),
    )


def _flat(name: str, arm: str, what: str, row: int) -> Check:
    return Check(
        name=name,
        text=f"Without {what}: HV flat in c",
        quantity=".05 less the relative change of HV from c = 0 to c = 1",
        source=f"Table 6, row {row}",
        measure=both_ends(within(frugal(_HV, arm), rich(_HV, arm), tolerance=0.05)),
        arms=(BASELINE, arm),
        question=_REGULARIZER,
    )


def _threshold(name: str, text: str, quantity: str, measure: Measure, arm: str) -> Check:
    return Check(
        name=name,
        text=text,
        quantity=quantity,
        source="Figure 8, Appendix H",
        measure=measure,
        arms=(BASELINE, arm),
        num_tasks=3,  # thresholds lie around the share of one of three tasks
        question=_THRESHOLD,
    )


def _retrained(name: str, text: str, quantity: str, measure: Measure, arms: tuple[str, ...]) -> Check:
    return Check(
        name=name,
        text=text,
        quantity=quantity,
        source="Tables 5 and 7",
        measure=measure,
        arms=arms,
        method=RETRAINED,
        question=_ARCHITECTURES,
    )


_OF_TABLE_6 = (
    *_removed("G13", "no-inactive-loss", "the inactive loss", 2),
    _flat("G13d", "no-inactive-loss", "the inactive loss", 2),
    *_removed("G14", "no-layer-weighting", "layer weighting", 3),
    Check(
        name="G14d",
        text="Without layer weighting: larger at skewed r",
        quantity="parameters at skewed preferences beyond those at even ones, at c = 0, relative",
        source="Figures 9 to 12",
        measure=exceeds(
            rich("skewed_active_parameters", "no-layer-weighting"),
            rich("dense_active_parameters", "no-layer-weighting"),
            relative=True,
        ),
        arms=(BASELINE, "no-layer-weighting"),
        question=_REGULARIZER,
    ),
    *_removed("G15", "no-affinity", "task affinity", 4),
    _flat("G15d", "no-affinity", "task affinity", 4),
    *_removed("G16", "no-dichotomy", "task dichotomy", 5),
    Check(
        name="G16d",
        text="Without task dichotomy: c still saves parameters",
        quantity="parameters at c = 0 beyond those at c = 1, relative",
        source="Table 6, row 5",
        measure=both_ends(exceeds(rich(_SIZE, "no-dichotomy"), frugal(_SIZE, "no-dichotomy"), relative=True)),
        arms=(BASELINE, "no-dichotomy"),
        question=_REGULARIZER,
    ),
)

_SWEEPS = (
    _threshold(
        "G17a",
        "Threshold .1: hypervolume like that of .2",
        ".1 less the relative change of HV at c = 0",
        within(rich(_HV, "threshold-0.1"), rich(_HV), tolerance=0.1),
        "threshold-0.1",
    ),
    _threshold(
        "G17b",
        "Threshold .3: lower hypervolume than .2",
        "HV at c = 0 at .2 beyond that at .3",
        exceeds(rich(_HV), rich(_HV, "threshold-0.3")),
        "threshold-0.3",
    ),
    _threshold(
        "G17c",
        "Threshold .3: c still acts on parameters",
        "parameters at c = 0 beyond those at c = 1, relative",
        both_ends(exceeds(rich(_SIZE, "threshold-0.3"), frugal(_SIZE, "threshold-0.3"), relative=True)),
        "threshold-0.3",
    ),
    _threshold(
        "G17d",
        "Threshold .5: hypervolume flat in c",
        ".05 less the relative change of HV from c = 0 to c = 1",
        both_ends(within(frugal(_HV, "threshold-0.5"), rich(_HV, "threshold-0.5"), tolerance=0.05)),
        "threshold-0.5",
    ),
    _threshold(
        "G17e",
        "Threshold .5: almost fully branched",
        "share of parameters that run at c = 0 above .9",
        exceeds(rich(_SHARE, "threshold-0.5"), 0.9),
        "threshold-0.5",
    ),
    Check(
        name="G18",
        text="HV varies < 2 % over concentrations .1 to 1",
        quantity=".02 less the relative range of HV, least favourable c",
        source="Table 8",
        measure=least(*(flat_over(_CONCENTRATIONS, _HV, end, tolerance=0.02) for end in (RICH, FRUGAL))),
        arms=(BASELINE, *_CONCENTRATIONS),
        question=_SAMPLING,
    ),
)

_STATIC = (
    _retrained(
        "G19a",
        "Retrained, a better Delta_T than LTB's",
        "percentage points beyond LTB's",
        exceeds(rich(_DROP), rich(_DROP, "ltb")),
        (BASELINE, "ltb"),
    ),
    _retrained(
        "G19b",
        "Delta_T sided to BMTAS's as in the paper",
        "percentage points beyond BMTAS's, or below where the paper's is",
        as_printed(rich(_DROP), rich(_DROP, "bmtas")),
        (BASELINE, "bmtas"),
    ),
    _retrained(
        "G19c",
        "The net of BMTAS is smaller",
        "parameters beyond BMTAS's, relative",
        exceeds(rich(_SIZE), rich(_SIZE, "bmtas"), relative=True),
        (BASELINE, "bmtas"),
    ),
    _retrained(
        "G19d",
        "The net is no larger than LTB's",
        ".05 less the parameters beyond LTB's, relative",
        no_more_than(rich(_SIZE), rich(_SIZE, "ltb"), tolerance=0.05),
        (BASELINE, "ltb"),
    ),
    _retrained(
        "G20a",
        "Anchor's weights beat initial ones, at c = 0",
        "percentage points of Delta_T beyond",
        exceeds(rich(_DROP), rich(_DROP, "initial")),
        (BASELINE, "initial"),
    ),
    _retrained(
        "G20b",
        "Anchor's weights beat initial ones, at c = 1",
        "percentage points of Delta_T beyond",
        exceeds(rich(_DROP, "frugal"), rich(_DROP, "frugal-initial")),
        (BASELINE, "frugal", "frugal-initial"),
    ),
    _retrained(
        "G20c",
        "A worse Delta_T at c = 1 than at c = 0",
        "percentage points of c = 0 beyond c = 1",
        exceeds(rich(_DROP), rich(_DROP, "frugal")),
        (BASELINE, "frugal"),
    ),
)

ABLATIONS: tuple[Check, ...] = (
    *_OF_TABLE_6,
    *_SWEEPS,
    *_STATIC,
    Check(
        name="G21",
        text="The affinity matrix is plausible",
        source="Figure 18",
        reason="it is a judgement about a picture; `dymu figure 18` draws it",
    ),
    Check(
        name="G22",
        text="The weight hypernet adds no MACs, at every c",
        quantity=".001 less the relative change of the predicted net's MACs, least favourable c",
        source="Section 4.4",
        measure=least(
            within(rich(_MACS), rich(_MACS, "without-adaptation"), tolerance=0.001),
            within(frugal(_MACS), frugal(_MACS, "without-adaptation"), tolerance=0.001),
        ),
        arms=(BASELINE, "without-adaptation"),
        question=_ADAPTATION,
    ),
)
