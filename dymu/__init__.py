"""Controllable dynamic multi-task architectures: train, ablate, compare, report.

Where to begin:

- *Use a trained controller*: ``dymu.load("studies.digits:ours")`` or ``dymu.load(ADDRESS)`` gives a
  `dymu.product.controller.TrainedController`: architectures, networks, costs and budgets for any preference.
- *Declare a study*: `dymu.spec.study.Study`, made of a dataset (`dymu.data`), a method (`dymu.methods`, first
  `dymu.methods.controllable.Controllable`) and an `dymu.spec.evaluation.EvaluationConfig`.
- *Ask a question*: `dymu.spec.ablation.Question` and `dymu.spec.ablation.Ablation`; search with
  `dymu.spec.search.Search`.
- *Set a stage*: `dymu.stages.anchor.AnchorRecipe`, `dymu.stages.edge.EdgeConfig`,
  `dymu.stages.weight.WeightConfig`; every config is a frozen value made by `dymu.artifacts.config.config`.
- *Read records*: `dymu.artifacts.location.open_store`, `dymu.reports.frame.records_frame`.
- *Look up a formula*: `dymu.objectives` and `dymu.metrics` are pure functions with their source in the paper.

A name ends in the letters of its axes: ``parent_probs_PLNN`` is (preferences, layers, child, parent). B
images of a batch, C channels, H rows, W columns; N tasks (and streams, as there are as many), L layers, P
or S preferences, D affine channels of normalisations, K instances. Losses are scaled by
`dymu.spec.task.Task.loss_weight`; costs are parameters and multiply-accumulates of one image. What a user
can act upon is raised as a `dymu.errors.DymuError`.
"""

import importlib

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``dymu.load``; torch is imported when it is first asked for. Types are in ``__init__.pyi``."""
    if name == "load":
        return importlib.import_module("dymu.run.loading").load
    raise AttributeError(f"module 'dymu' has no attribute {name!r}")
