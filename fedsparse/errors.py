"""Mistakes that a user or a peer can make. The command line turns each into one line."""


def one_line(error: BaseException, longest: int = 200) -> str:
    """What another library's error says, on one line; its kind if it says nothing."""
    return " ".join(str(error).split())[:longest] or type(error).__name__


class FedsparseError(Exception):
    """Base of every error below; its text is one line that says what was wrong and what would be right."""


class SettingError(FedsparseError, ValueError):
    """A setting that is unknown, of the wrong type, or out of range."""


class DataError(FedsparseError):
    """A data set that is missing, damaged, or does not fit the experiment."""


class MessageError(FedsparseError, ValueError):
    """Bytes that no fedsparse encoder could have made for this receiver."""


class TooFewUpdates(MessageError):
    """A round had fewer usable updates than its minimum, so this one, though usable, was left out."""


class RunWarning(UserWarning):
    """A run is done, and not as it should be: no client answered, or the rate did not settle where it was asked to."""


class RunError(FedsparseError):
    """A run that cannot go on: its folder is in use or cannot be written, or training diverged."""
