"""Which readings of the paper matter where its text leaves a choice? docs/protocol.md names them all."""

from dymu.spec.ablation import Ablation, Question
from studies.digits import ours

READINGS: dict[str, tuple[str, dict[str, object]]] = {
    "usage-of-parent": (
        "P_use of the parent layer (Eq. 3 as printed)",
        {"method.edge.reading.usage_of": "parent"},
    ),
    "child-layer-weight": ("layer weight (L-1-l)/L", {"method.edge.reading.layer_weight": "child_layer"}),
    "usage-attached": ("gradient through P_use", {"method.edge.reading.usage_gradient": "attached"}),
    "inactive-detached": (
        "active side of Eq. 5 detached",
        {"method.edge.reading.inactive_target": "detached"},
    ),
    "mean-normalised": ("Eqs. 3 and 5 as means", {"method.edge.reading.reduction": "mean"}),
    "affinity-symmetric": ("symmetric affinity", {"method.affinity.scale": "symmetric"}),
    "affinity-global": ("affinity scaled over the whole matrix", {"method.affinity.scale": "global"}),
    "patent-weights": (
        "weights of the patent, 0.05 and 0.1",
        {"method.edge.active_weight": 0.05},
    ),
    "weight-on-sampled-trees": (
        "weight hypernet on sampled trees",
        {"method.weight.architecture": "sampled"},
    ),
}

QUESTION = Question(
    title="Which readings of the paper matter?",
    source="docs/protocol.md",
    baseline=ours,
    baseline_label="defaults",
    ablations=tuple(
        Ablation(
            name=name,
            label=label,
            starts_at="affinity"
            if name.startswith("affinity")
            else "weight"
            if name.startswith("weight")
            else "edge",
            changes=changes,
        )
        for name, (label, changes) in READINGS.items()
    ),
)
