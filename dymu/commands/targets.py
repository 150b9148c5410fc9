"""What verbs ask about studies and questions that they do not run."""

from pathlib import Path

from dymu.errors import SpecError


def can_run(text: str) -> bool:
    """Whether `dymu run` takes a study or a question, from the working directory.

    Args:
        text: What stands behind it, such as ``studies.digits:ours`` or
            ``ablations.adaptation --study studies.digits:ours --arm recalibrated``. A question about a study
            that lacks what the question changes cannot be run.
    """
    from dymu.run.target import Request, resolve

    target, *flags = text.split()
    pairs = list(zip(flags[::2], flags[1::2], strict=True))
    study = next((value for flag, value in pairs if flag == "--study"), None)
    arms = tuple(value for flag, value in pairs if flag == "--arm")
    try:
        resolve(Request(text=target, study=study, arms=arms), folder=Path.cwd())
    except SpecError:
        return False
    return True
