"""Errors for users: one sentence with the value, the expectation and the repair.

Every error that a user can cause derives from `SuperpixelsError`, so the shell, the plugin and
scripts catch one class. Each also inherits the builtin that fits, so ``except ValueError`` and
``except OSError`` keep working. `assert` is for our own invariants only.
"""


class SuperpixelsError(Exception):
    """Base of every error that a user can cause and repair."""


def reason_of(error: BaseException) -> str:
    """Return what an error says, as one line; its class where it says nothing.

    Of a failed system call it is what the system says, without number and file.
    """
    told: str | None = getattr(error, "strerror", None)
    return told or " ".join(str(error).split()) or type(error).__name__


class InputError(SuperpixelsError, ValueError):
    """A value, parameter or array that cannot be used as given."""


class SourceError(SuperpixelsError, OSError):
    """An image that is missing, broken or cannot be read."""


class PlanError(SuperpixelsError, ValueError):
    """A plan that cannot work on this machine or this image."""


class OutputError(SuperpixelsError, OSError):
    """An output that exists already, belongs to another plan, or is in use."""


class TakenError(OutputError):
    """An output that exists already or is being written; another name may be free."""


class IncompleteRunError(SuperpixelsError, RuntimeError):
    """A run that ended with super-tiles missing; what is done can be resumed."""


class Cancelled(SuperpixelsError):  # noqa: N818 - it is an outcome that the user asked for
    """The user cancelled; what is done can be resumed."""


class TrainingError(SuperpixelsError, RuntimeError):
    """A training that cannot go on; its last checkpoint is whole."""
