"""What ``actions has WORD`` asks for: an action, ``nat`` within ``ct()``, or a cookie of ``userspace()``."""

from __future__ import annotations

from collections.abc import Callable

from dpif._typing import TYPE_CHECKING
from dpif.odp.actions import Action, Output, load_all
from dpif.odp.filter.fields import Subject, Test, all_actions
from dpif.odp.model.scanner import Scanner

if TYPE_CHECKING:
    from dpif.odp.actions.cookies import Cookie


def scan_action(scanner: Scanner) -> Test:
    """Take the word of an action, or of what is within one; return what tells whether a flow has it."""
    known = {word: _is_of(cls) for word, cls in load_all().by_word.items()}
    from dpif.odp.actions.cookies import Cookie
    from dpif.odp.actions.ct import Ct

    known |= {word: _has_cookie(cls) for word, cls in Cookie.by_word.items()}
    known |= {"output": _is_of(Output), "nat": lambda action: isinstance(action, Ct) and action.nat is not None}
    start = scanner.position
    word = scanner.word("an action such as push_vlan")
    if word not in known:
        scanner.unknown(word, known, "action", start)
    wanted, drops = known[word], word == "drop"

    def test(subject: Subject) -> bool:
        actions = subject.flow.actions or ()
        return any(map(wanted, all_actions(actions))) or (drops and not actions)

    return test


def _is_of(cls: type[Action]) -> Callable[[Action], bool]:
    return lambda action: isinstance(action, cls)


def _has_cookie(cls: type[Cookie]) -> Callable[[Action], bool]:
    from dpif.odp.actions.userspace import Userspace

    return lambda action: isinstance(action, Userspace) and isinstance(action.cookie, cls)
