"""Updates are counted one by one as they arrive, and one that cannot be used leaves the others as they are."""

from collections.abc import Callable, Iterable

from fedsparse.errors import MessageError

Refuse = Callable[[bytes, MessageError], None]
"""What becomes of an update that is none, and of the error that says why."""


def raised(update: bytes, error: MessageError) -> None:
    """Where every client is our own, bad bytes are a mistake of ours."""
    raise error


def take(updates: Iterable[bytes], add: Callable[[bytes], None], refuse: Refuse) -> None:
    """Each update to `add`, as it arrives; those that it raises `MessageError` for to `refuse`."""
    for update in updates:
        try:
            add(update)
        except MessageError as error:
            refuse(update, error)
