"""The kinds of mail there are, and what each may say: its variables, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_PERSON = {"person_name": "The recipient's name.", "tenant_name": "The organisation that writes."}

_CERTIFICATE = {
    "programme_name": "What the programme is called.",
    "valid_through": "The certificate's last day, such as '2027-11-26'; empty when it counts for ever.",
    "link": "Where anybody may check the certificate.",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of mail. `variables` are given with each message, `same` are other names for some of them."""

    key: str
    title: str
    variables: Mapping[str, str]
    same: Mapping[str, str]

    def check(self, given: Mapping[str, str]) -> None:
        """Raise ValueError unless exactly the declared variables are given: a mistake of the code, not of a user."""
        if given.keys() != self.variables.keys():
            wrong = ", ".join(sorted(given.keys() ^ self.variables.keys()))
            raise ValueError(f"The template '{self.key}' has other variables than those given: {wrong}.")


KINDS: Final[Mapping[str, Kind]] = {
    kind.key: kind
    for kind in (
        Kind(
            "magic_link",
            "Sign-in link",
            _PERSON
            | {
                "link": "The link that signs in, once.",
                "code": "The six digits that are asked for in another browser.",
                "expires_in": "How long the link is good for, such as '15 minutes'.",
            },
            {},
        ),
        Kind(
            "invitation",
            "Invitation to an assessment",
            _PERSON
            | {
                "assessment_title": "What the assessment is called.",
                "link": "The link that starts the assessment.",
                "opens_at": "When it can be started from; empty when at once.",
                "closes_at": "Until when it can be started; empty when without an end.",
                "time_limit": "How long it takes at most, such as '45 minutes'; empty when without a limit.",
            },
            {
                "candidate_name": "person_name",
                "start_link": "link",
                "start_deadline": "closes_at",
                "complete_deadline": "closes_at",
            },
        ),
        Kind(
            "reminder",
            "Reminder of an assessment",
            _PERSON
            | {
                "assessment_title": "What the assessment is called.",
                "link": "The link that starts the assessment; empty for who has started.",
                "opens_at": "When it opens; empty when it is open.",
                "closes_at": "When it closes; empty when without an end.",
            },
            {"candidate_name": "person_name", "start_link": "link"},
        ),
        Kind("certificate", "A certificate was issued", _PERSON | _CERTIFICATE, {}),
        Kind("certificate_ending", "A certificate is about to end", _PERSON | _CERTIFICATE, {}),
        Kind(
            "welcome",
            "Welcome to new staff",
            _PERSON | {"link": "Where to sign in.", "invited_by": "Who invited the recipient; may be empty."},
            {},
        ),
    )
}


def kind(key: str) -> Kind:
    """Return a kind of mail; asking for one that does not exist is a mistake of the code."""
    if key not in KINDS:
        raise ValueError(f"There is no mail template '{key}'; there are {', '.join(KINDS)}.")
    return KINDS[key]
