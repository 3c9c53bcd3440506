"""Every "no" that Evalium can say to somebody, as a class.

A refusal names the value that was refused and the next step. It is raised by services and resolvers, changes
nothing, and reaches the client in one of two ways: a `Refusal` becomes a `Problem` in the payload of a mutation,
because the caller can mend it; a `Denial` becomes a top-level error. Both carry a stable `code` that
docs/refusals.md lists.
"""

import math
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import ClassVar


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """A domain rule said no; the caller can act on it. `path` names the offending input, outermost key first."""

    code: ClassVar[str] = "REFUSED"
    hint: ClassVar[str] = "Correct the input and try again."

    def __init__(self, message: str, *, path: Sequence[str | int] = (), hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = tuple(path)
        self.advice = hint or self.hint


class Denial(Refusal):
    """A refusal that the caller cannot mend by changing the input; it is answered as a top-level error."""

    code: ClassVar[str] = "DENIED"


class Unauthenticated(Denial):
    """No token, or one that does not verify, has expired, or is of another type than the place expects."""

    code = "UNAUTHENTICATED"
    hint = "Send a valid token as 'Authorization: Bearer …', or sign in again."


class AccessChanged(Denial):
    """A stream was ended because the rights of its principal changed while it was open."""

    code = "ACCESS_CHANGED"
    hint = "Connect again: what you may see is decided anew."


class Forbidden(Denial):
    """The caller is known but lacks the capability that the field declares."""

    code = "FORBIDDEN"
    hint = "Ask an administrator of the tenant for a role that holds this capability."

    def __init__(self, capability: str) -> None:
        super().__init__(f"This needs the capability '{capability}', which none of your roles holds here.")
        self.capability = capability


class OutOfScope(Denial):
    """The service token is limited to named operation documents, and this is none of them."""

    code = "OUT_OF_SCOPE"
    hint = "Send one of the documents that the token names, word for word or by its hash, or ask for another token."

    def __init__(self, document: str | None) -> None:
        sent = "a document of your own" if document is None else f"the document '{document}'"
        super().__init__(f"This token does not run {sent}.")


class BadUserInput(Denial):
    """The document, its variables or the request body are malformed."""

    code = "BAD_USER_INPUT"
    hint = "Compare the request with graphql/schema.graphql."


class LimitExceeded(Denial):
    """The request is larger or costs more than one request may; the message names limit and value."""

    code = "LIMIT_EXCEEDED"
    hint = "Ask for less in one operation: fewer fields, smaller pages, or several requests."


class RateLimited(Denial):
    """The same target was tried too often within a minute; the answer says after how many seconds it may be again."""

    code = "RATE_LIMITED"
    hint = "Wait as long as 'retryAfterSeconds' and the header Retry-After say, then try again."

    def __init__(self, seconds: float) -> None:
        self.retry_after_seconds = max(1, math.ceil(seconds))
        super().__init__(f"Too many attempts failed; the next one is possible in {self.retry_after_seconds} seconds.")


class CursorExpired(Denial):
    """A stream cursor that is unknown, foreign, altered, older than seven days, or from another cluster."""

    code = "CURSOR_EXPIRED"
    hint = "Read the table again and follow the stream from the cursor that comes with it."


class NotFound(Refusal):
    """No such object, or one that the caller may not see: both answer alike (domain.md section 3)."""

    code = "NOT_FOUND"
    hint = "Check the id; an object of another tenant or org unit cannot be seen from here."

    def __init__(self, kind: str, value: object, *, path: Sequence[str | int] = ()) -> None:
        super().__init__(f"No {kind} with id '{value}' is visible to you.", path=path)


class UnknownCertificate(NotFound):
    """A token belongs to no certificate; told of one that can be none in the same words."""

    hint = "Compare the address with the one on the certificate: small and capital letters count."

    def __init__(self) -> None:
        Refusal.__init__(self, "No certificate has this address.")


class InvalidInput(Refusal):
    """A value of the input breaks a rule of the domain; `path` names it."""

    code = "INVALID_INPUT"


class AlreadyExists(Refusal):
    """Something of this name, address or kind is there already."""

    code = "ALREADY_EXISTS"
    hint = "Use the one that exists, or choose another name."


class NotHeld(Refusal):
    """The act would give, take or touch rights that the caller does not hold, in the scope where it would do so."""

    code = "NOT_HELD"
    hint = "Ask somebody who holds these capabilities there, such as a Tenant Admin."

    def __init__(self, capabilities: Collection[str], where: str, *, path: Sequence[str | int] = ()) -> None:
        named = ", ".join(f"'{name}'" for name in sorted(capabilities))
        super().__init__(f"You do not hold {named} {where}, so you can neither give nor take it there.", path=path)


class LastAdministrator(Refusal):
    """Nobody would be left who is active and holds the role Tenant Admin in the whole tenant without an end."""

    code = "LAST_ADMINISTRATOR"
    hint = "Make somebody else Tenant Admin first, for the whole tenant and without an expiry."

    def __init__(self) -> None:
        super().__init__("This would leave the tenant without a lasting Tenant Admin.")


class OneselfRefused(Refusal):
    """The act cannot be done to oneself."""

    code = "NOT_ONESELF"
    hint = "Ask another administrator to do it."


class PersonNeeded(Refusal):
    """The act is a judgement that somebody answers for, and the token belongs to no person."""

    code = "PERSON_NEEDED"
    hint = "Sign in as the person who judges."


class SystemRoleFixed(Refusal):
    """A role that comes with the tenant is never changed or deleted."""

    code = "SYSTEM_ROLE"
    hint = "Clone the role and change the clone."


class CapabilitiesClash(Refusal):
    """Capabilities that no custom role may hold together: billing is kept apart from assessments."""

    code = "CAPABILITIES_CLASH"
    hint = "Make two roles of it."


class StillInUse(Refusal):
    """Something still depends on what would be removed; the message says what."""

    code = "STILL_IN_USE"
    hint = "End what uses it first."


class ConfirmationNeeded(Refusal):
    """The act concerns an assessment with high stakes, and the caller has not said that this is known."""

    code = "CONFIRMATION_NEEDED"
    hint = "Ask the person who acts once more, and send the request again with the confirmation."


class StateDrift(Refusal):
    """Somebody was faster: the object is no longer in the state that the act expects."""

    code = "STATE_DRIFT"
    hint = "Read the object again and decide on its current state."

    def __init__(
        self, message: str, *, current_state: str, current_version: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.current_state = current_state
        self.current_version = current_version


class NothingChosen(Refusal):
    """No session that the caller may see is among the chosen ones, so nothing was done."""

    code = "NOTHING_CHOSEN"
    hint = "Read the sessions again, and choose among those that are shown."


class NothingLost(Refusal):
    """The session lost no working time, or a pause has given all of it back already."""

    code = "NOTHING_LOST"
    hint = "Nothing has to be made up for; apply an override if more time is wanted all the same."


class CorrectionWithoutEffect(Refusal):
    """The line of a correction says what holds already: it would change nobody's score, now or later."""

    code = "CORRECTION_WITHOUT_EFFECT"
    hint = "Leave the line out, or look at what is in force for the question."


class CorrectionsContradict(Refusal):
    """Two lines of a correction cannot hold together for one question."""

    code = "CORRECTIONS_CONTRADICT"
    hint = "Keep the line that you mean."


class AlreadyUndone(Refusal):
    """The correction was undone before."""

    code = "ALREADY_UNDONE"
    hint = "Undo the batch that undid it, if it shall hold again."


class IdempotencyMismatch(Refusal):
    """The idempotency key was used before with another input."""

    code = "IDEMPOTENCY_MISMATCH"
    hint = "Use a new key for a new request; repeat a key only with the same input."


class InProgress(Refusal):
    """The same request, or another one on the same object, is still running."""

    code = "IN_PROGRESS"
    hint = "Wait a moment and send the same request again, with the same idempotency key."

    def __init__(self) -> None:
        super().__init__("Another request on the same object is still running.")


class NobodyToInvite(Refusal):
    """Not one of the recipients can be invited, so nothing was issued; `rows` says why for each of `refs`."""

    code = "NOBODY_TO_INVITE"
    hint = "Mend the recipients as the results say, and send the request again."

    def __init__(self, rows: Sequence[Refusal], refs: Sequence[str]) -> None:
        super().__init__(f"None of the {len(rows)} recipients can be invited.", path=["recipients"])
        self.rows = tuple(rows)
        self.refs = tuple(refs)


class InvitationUsed(Refusal):
    """The invitation was redeemed before, from another browser or too long ago to be a retry."""

    code = "INVITATION_USED"
    hint = "Go on in the browser in which you started, or ask for a new invitation."


class InvitationExpired(Refusal):
    """The invitation's life is over."""

    code = "INVITATION_EXPIRED"
    hint = "Ask whoever invited you to send it again."


class InvitationRevoked(Refusal):
    """The invitation was withdrawn, or replaced by a newer one."""

    code = "INVITATION_REVOKED"
    hint = "Use the newest invitation you received, or ask for one."


class WindowNotOpen(Refusal):
    """The assignment's window has not opened yet (database time)."""

    code = "WINDOW_NOT_OPEN"
    hint = "Come back when the window opens."

    def __init__(self, opens_at: datetime) -> None:
        super().__init__(f"This assessment opens at {opens_at.isoformat()}.")
        self.opens_at = opens_at


class WindowClosed(Refusal):
    """The assignment's window is over, or the assignment was closed (database time)."""

    code = "WINDOW_CLOSED"
    hint = "Ask whoever invited you whether the window can be extended."

    def __init__(self, closed_at: datetime) -> None:
        super().__init__(f"This assessment closed at {closed_at.isoformat()}.")
        self.closed_at = closed_at


class NoAttemptsLeft(Refusal):
    """Every allowed attempt of this candidate on this assignment has been used."""

    code = "NO_ATTEMPTS_LEFT"
    hint = "Ask whoever invited you for another attempt."

    def __init__(self, *, used: int, allowed: int, hint: str | None = None) -> None:
        super().__init__(f"{used} of {allowed} attempts have been used.", hint=hint)
        self.used = used
        self.allowed = allowed


class PublicLinkClosed(Refusal):
    """The public link was closed."""

    code = "PUBLIC_LINK_CLOSED"
    hint = "Ask whoever gave you the link for another one."


class PublicLinkFull(Refusal):
    """As many people as a public link may let in have started."""

    code = "PUBLIC_LINK_FULL"
    hint = "Ask whoever gave you the link for another one."

    def __init__(self, cap: int) -> None:
        super().__init__(f"All {cap} places of this link are taken.")
        self.cap = cap


class AccessCodeWrong(Refusal):
    """The access code of a public link is missing or wrong; after ten wrong ones it may be tried a minute later."""

    code = "ACCESS_CODE_WRONG"
    hint = "Read the access code again where you got the link, and type it as it stands there."


class NotAMember(Refusal):
    """The candidate is not, or no longer, among those whom the assignment addresses."""

    code = "NOT_A_MEMBER"
    hint = "Ask whoever invited you to add you."


class DeadlinePassed(Refusal):
    """The session's deadline and its network allowance are over (database time)."""

    code = "DEADLINE_PASSED"
    hint = "Nothing more can be answered; what was saved before counts."

    def __init__(self, deadline_at: datetime) -> None:
        super().__init__(f"The time for this session ended at {deadline_at.isoformat()}.")
        self.deadline_at = deadline_at


class LockdownRequired(Refusal):
    """The session starts in a verified lockdown browser only, and there is none."""

    code = "LOCKDOWN_REQUIRED"
    hint = "Open the assessment in Safe Exam Browser with the configuration that you were given, or ask a proctor."
