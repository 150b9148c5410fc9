"""What one check of ``dymu doctor`` says."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Check:
    """What one look found.

    Attributes:
        name: What was looked at.
        ok: Whether studies can run with it.
        found: What was found, and what to do if that is not good.
    """

    name: str
    ok: bool
    found: str
