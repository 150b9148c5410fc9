"""The paper's claims as checks on records, as data: G1 to G22.

A letter behind a number is a part of a claim. Each check says in words what is claimed and what its margin
is; thresholds that the paper does not print ("about", "slightly", "nearly") are stated in the margin. The
verdict follows from margins by the rule of :mod:`dymu.reports.claims`.
"""

from dymu.reports.checks import Check
from dymu.reports.paper_claims_ablations import ABLATIONS
from dymu.reports.paper_claims_behaviour import BEHAVIOUR
from dymu.reports.paper_claims_quality import QUALITY

CHECKS: tuple[Check, ...] = (*BEHAVIOUR, *QUALITY, *ABLATIONS)
