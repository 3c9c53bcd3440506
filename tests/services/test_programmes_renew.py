"""Renewals against the database: enrolled again once, in a chain, reminded once of each, and history kept."""

import asyncio
from datetime import date, timedelta
from functools import partial
from uuid import UUID

from dateutil.relativedelta import relativedelta
from sqlalchemy import select, update

from jobs import programmes as job
from models.assignments import Invitation
from models.certificates import Certificate, CertificateNotice
from models.identity import User
from models.messages import Message
from models.programmes import ExpiryAnchor
from models.programmes_enrolments import ProgrammeAttempt, ProgrammeEnrolment
from services import certificates, programmes, programmes_read, users_merge
from tests.factories import assignments as recipients
from tests.services.test_programmes import LINK, Licence, email, licence, sitting

__all__ = ["licence", "sitting"]

SITE = "https://example.org"
DAYS = 365
DAY = date(1, 1, 1)
ANCHOR = ExpiryAnchor.WINDOW_END


class Renewed:
    """A licence whose clock goes on."""

    def __init__(self, licence: Licence) -> None:
        self.licence, self.start = licence, licence.office

    def at(self, days: float) -> None:
        self.licence.office = self.start.shifted(timedelta(days=days))

    async def pass_(self, enrolment: UUID) -> Certificate:
        await self.licence.hand_in(enrolment, right=True)
        await self.licence.follow(enrolment)
        return (await self.certificates(enrolment))[-1]

    async def renew(self, at_once: int = 1) -> int:
        """Renew by so many workers; return how many of this programme that made (the tenant has others)."""
        before, office, tenant = await self.renewals(), self.licence.office, self.licence.world.tenant_id
        await asyncio.gather(*(job.renew_tenant(office, tenant, LINK) for _ in range(at_once)))
        return await self.renewals() - before

    async def renewals(self) -> int:
        row = ProgrammeEnrolment
        return await self.licence.count(row, row.programme_id == self.licence.id, row.renewal_of_id.is_not(None))

    async def tell(self, at_once: int = 1) -> int:
        """Tell by so many workers; return how many notices of this programme that made."""
        before, office, tenant = await self.notices(), self.licence.office, self.licence.world.tenant_id
        await asyncio.gather(*(job.tell_tenant(office, tenant, SITE) for _ in range(at_once)))
        return await self.notices() - before

    async def notices(self) -> int:
        of = select(Certificate.id).where(Certificate.programme_id == self.licence.id)
        return await self.licence.count(CertificateNotice, CertificateNotice.certificate_id.in_(of))

    async def certificates(self, enrolment: UUID) -> list[Certificate]:
        async with self.licence.office.snapshot(self.licence.world.system) as work:
            wanted = select(Certificate).where(Certificate.enrolment_id == enrolment).order_by(Certificate.id)
            return list(await work.session.scalars(wanted))

    async def renewal_of(self, enrolment: UUID) -> ProgrammeEnrolment:
        async with self.licence.office.snapshot(self.licence.world.system) as work:
            wanted = select(ProgrammeEnrolment).where(ProgrammeEnrolment.renewal_of_id == enrolment)
            return (await work.session.scalars(wanted)).one()


async def certified(licence: Licence, **rules) -> tuple[Renewed, UUID, Certificate]:
    await licence.write({"attempts": 2}, **({"validity_months": 12} | rules))
    renewed, enrolment = Renewed(licence), await licence.one()
    return renewed, enrolment, await renewed.pass_(enrolment)


async def test_a_renewal_begins_in_its_window_once_by_the_newest_version_and_makes_a_chain(licence: Licence):
    renewed, enrolment, first = await certified(licence, lead_days=30, expiry_anchor=ANCHOR)
    renewed.at(DAYS - 32)
    assert await renewed.renew() == 0
    rules = programmes.Rules(validity_months=24, expiry_anchor=ExpiryAnchor.WINDOW_END)
    await licence.do(programmes.update, licence.id, programmes.Content(f"N {licence.id}", "", rules), None)
    await licence.do(programmes.publish, licence.id, None)
    renewed.at(DAYS - 28)
    assert await renewed.renew(at_once=4) == 1
    assert await renewed.renew() == 0
    row = await renewed.renewal_of(enrolment)
    assert (row.due_at, row.status) == (first.expires_at, "in_progress")
    assert row.version_id != first.version_id
    assert (await licence.row(enrolment)).status == "certified"

    second = await renewed.pass_(row.id)
    assert second.renews_id == first.id
    assert first.valid_through is not None
    assert second.valid_through == first.valid_through + relativedelta(months=24)
    assert await renewed.renew() == 0
    renewed.at(DAYS * 3 - 20)
    assert await renewed.renew() == 1
    last = await renewed.renewal_of(row.id)
    third = await renewed.pass_(last.id)
    assert third.renews_id == second.id
    events = await licence.events()
    once = ["enrolled", "attempt_handed_in", "requirement_met", "completed", "certified"]
    assert [(one.enrolment_id, one.kind) for one in events] == [
        (each, kind) for each in (enrolment, row.id, last.id) for kind in once
    ]
    began = [one.payload.get("renewal_of") for one in events if one.kind == "enrolled"]
    assert began == [None, str(enrolment), str(row.id)]
    issued = [(one.payload["certificate"], one.payload["renews"]) for one in events if one.kind == "certified"]
    ids = [str(one.id) for one in (first, second, third)]
    assert issued == list(zip(ids, [None, *ids[:2]], strict=True))


async def invited(licence: Licence, enrolment: UUID) -> list[Invitation]:
    """The invitations that an enrolment has sent, in the order of its attempts (whoever hands in here adds others)."""
    mine = select(ProgrammeAttempt.assignment_id).where(ProgrammeAttempt.enrolment_id == enrolment)
    async with licence.office.snapshot(licence.world.system) as work:
        wanted = select(Invitation).where(Invitation.assignment_id.in_(mine), Invitation.ordinal == 1)
        return list(await work.session.scalars(wanted.order_by(Invitation.sent_at)))


async def test_the_link_to_a_renewal_lives_as_long_as_it_can_be_sat_and_at_most_400_days(licence: Licence):
    for grace, lives in ((100, None), (730, 400)):
        renewed, enrolment, first = await certified(licence, lead_days=90, grace_days=grace)
        assert first.renewal_opens_at is not None
        renewed.licence.office = renewed.start.shifted(first.renewal_opens_at - first.issued_at + timedelta(hours=1))
        assert await renewed.renew() == 1
        again = (await renewed.renewal_of(enrolment)).id
        await licence.hand_in(again, right=False)
        await licence.follow(again)
        one, other = await invited(licence, again)
        if lives is None:
            assert one.expires_at == other.expires_at == first.renewal_ends_at
        else:
            assert [row.expires_at - row.sent_at for row in (one, other)] == [timedelta(days=lives)] * 2
        renewed.at(0)


async def test_the_link_of_an_enrolment_lives_until_it_is_due_and_at_least_30_days(licence: Licence):
    for due_days in (None, 7, 180):
        await licence.write(due_days=due_days)
        enrolment = await licence.one()
        (one,) = await invited(licence, enrolment)
        due_at = (await licence.row(enrolment)).due_at
        assert one.expires_at == (due_at if due_days == 180 else one.sent_at + timedelta(days=30))


async def test_after_the_grace_nothing_is_renewed_and_whoever_is_late_begins_anew(licence: Licence):
    renewed, enrolment, first = await certified(licence, lead_days=30, grace_days=10)
    assert first.expires_at is not None
    renewed.at(DAYS + 12)
    assert await renewed.renew() == 0
    assert (await programmes_read_state(licence, enrolment)) == "expired"
    address = await email(licence, (await licence.row(enrolment)).user_id)
    again = await licence.enrol(recipients.by_email(address))
    assert again["rows"][0]["enrolled"] == 1
    other = await renewed.pass_(UUID(again["rows"][0]["enrolment"]))
    assert (other.renews_id, other.valid_through) == (
        None,
        (first.valid_through or DAY) + relativedelta(months=12, days=12),
    )


async def test_a_renewal_within_the_grace_continues_and_one_after_it_stands_alone(licence: Licence):
    renewed, enrolment, first = await certified(licence, lead_days=30, grace_days=10, expiry_anchor=ANCHOR)
    renewed.at(DAYS - 10)
    assert await renewed.renew() == 1
    row = await renewed.renewal_of(enrolment)
    renewed.at(DAYS + 5)
    within = await renewed.pass_(row.id)
    assert within.renews_id == first.id
    assert within.valid_through == (first.valid_through or DAY) + relativedelta(months=12)

    _, enrolment, first = await certified(licence, lead_days=30, grace_days=10, expiry_anchor=ANCHOR)
    renewed.at(DAYS * 2 - 10)
    assert await renewed.renew() == 1
    row = await renewed.renewal_of(enrolment)
    renewed.at(DAYS * 2 + 30)
    late = await renewed.pass_(row.id)
    assert late.renews_id is None
    assert [one.payload["renews"] for one in await licence.events() if one.kind == "certified"] == [None, None]
    assert late.valid_through == late.issued_at.date() + relativedelta(months=12)


async def test_what_ended_long_ago_is_not_created_in_masses(licence: Licence):
    renewed, _, _ = await certified(licence, lead_days=30, grace_days=365)
    renewed.at(DAYS + 95)
    assert await renewed.renew() == 0
    renewed.at(DAYS + 85)
    assert await renewed.renew() == 1


async def test_neither_the_suspended_nor_the_revoked_nor_the_archived_is_renewed(licence: Licence):
    renewed, enrolment, first = await certified(licence, lead_days=30)
    renewed.at(DAYS - 10)
    user = (await licence.row(enrolment)).user_id

    async def suspend(work, status):
        await work.session.execute(update(User).values(status=status).where(User.id == user))

    await licence.do(suspend, "suspended")
    assert await renewed.renew() == 0
    await licence.do(suspend, "active")
    await licence.do(certificates.revoke, first.id, "Somebody else sat it.")
    assert await renewed.renew() == 0
    await licence.do(certificates.reissue, first.id, "It was a mistake.")
    await licence.do(programmes.archive, licence.id, "Replaced.")
    assert await renewed.renew() == 0


async def test_holders_are_told_once_of_the_issue_and_of_each_reminder_until_they_have_renewed(licence: Licence):
    renewed, enrolment, first = await certified(licence, lead_days=60, reminder_days=(45, 30, 7))
    assert await renewed.tell(at_once=4) == 1
    assert await renewed.tell() == 0
    for days, mails in ((46, 0), (44, 1), (40, 0), (6, 2), (5, 0)):
        renewed.at(DAYS - days)
        assert await renewed.tell() == mails, days
    sent = select(Message.template).where(Message.subject_id == first.id).order_by(Message.id)
    async with licence.office.snapshot(licence.world.system) as work:
        assert list(await work.session.scalars(sent)) == ["certificate", "certificate_ending", "certificate_ending"]
    assert await licence.count(CertificateNotice, CertificateNotice.certificate_id == first.id) == 4
    assert await renewed.renew() == 1

    _, other, _ = await certified(licence, lead_days=60, reminder_days=(7,))
    assert await renewed.tell() == 1
    renewed.at(DAYS * 2 - 30)
    assert await renewed.renew() == 1
    await renewed.pass_((await renewed.renewal_of(other)).id)
    assert await renewed.tell() == 1  # of the new one
    renewed.at(DAYS * 2 - 8)
    assert await renewed.tell() == 0
    assert enrolment != other


async def test_a_certificate_goes_over_to_the_one_person_that_two_were(licence: Licence):
    renewed, enrolment, first = await certified(licence, lead_days=30)
    going = (await licence.row(await licence.one())).user_id
    admin = (await licence.world.staff("tenant_admin")).everywhere()
    merge = partial(users_merge.merge, kept_id=going, duplicate_id=first.user_id, reason="The same person.")
    await licence.office.perform(admin, merge)
    (moved,) = await renewed.certificates(enrolment)
    assert (moved.user_id, moved.id, moved.holder_name) == (going, first.id, first.holder_name)


async def programmes_read_state(licence: Licence, enrolment: UUID) -> str:
    row = await licence.row(enrolment)
    async with licence.office.snapshot(licence.world.system) as work:
        return programmes_read.state(row, await work.now()).value
