"""Values that the paper prints and several questions have beside their own. A name with ``_`` is no question.

Keys are record value names (docs/glossary.md); parameters are absolute, as the paper prints them.
"""

from collections.abc import Mapping

# NYU-v2, Tables 3 and 6.
NYU_OURS: Mapping[str, float] = {
    "hypervolume/c=0": 13.43,
    "hypervolume/c=1": 13.08,
    "uniformity/c=0": 0.76,
    "uniformity/c=1": 0.78,
    "active_parameters/c=0": 41.06e6,
    "active_parameters/c=1": 34.68e6,
    "anchor_parameters": 64.47e6,
    "control_parameters": 5.72e6,
}
# NYU-v2, Table 3.
NYU_WITHOUT_ADAPTATION: Mapping[str, float] = {
    "hypervolume/c=0": 12.42,
    "hypervolume/c=1": 9.53,
    "uniformity/c=0": 0.82,
    "uniformity/c=1": 0.84,
    "active_parameters/c=0": 41.06e6,
    "active_parameters/c=1": 34.68e6,
}
