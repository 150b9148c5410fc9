"""What a step's inputs have in common."""

from dymu.artifacts.step import Step
from dymu.spec.dataset import Dataset


def dataset_of(step: Step) -> Dataset:
    """The dataset that a step and its inputs were trained on; the same for all of them."""
    datasets = {below.config.dataset for below in step.closure() if hasattr(below.config, "dataset")}
    assert len(datasets) == 1, f"{step.address} depends on {len(datasets)} datasets"
    dataset: Dataset = datasets.pop()
    return dataset
