"""What verbs ask about studies and questions that they do not run."""

from pathlib import Path

from dymu.errors import SpecError


def can_run(text: str) -> bool:
    """Whether a study (``studies.digits:ours``) or a question can be loaded from the working directory."""
    from dymu.run.target import load_question, load_study

    try:
        (load_study if ":" in text else load_question)(text, folder=Path.cwd())
    except SpecError:
        return False
    return True
