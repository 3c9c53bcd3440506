"""Certificates as they are looked at: by programme, person, state, and the instant at which they counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from models.certificates import Certificate
from services import plain
from services.certificates_rules import CertificateState
from services.paging import Order, Page, PageRequest, paged
from services.work import Work


@dataclass(frozen=True, slots=True)
class Filter:
    """Which certificates are wanted; what is None does not narrow. `valid_at` is when they counted."""

    programme_id: UUID | None = None
    user_id: UUID | None = None
    enrolment_id: UUID | None = None
    states: Sequence[CertificateState] | None = None
    valid_at: datetime | None = None


async def listed(work: Work, wanted: Filter, page: PageRequest) -> Page[Certificate]:
    """List certificates of the viewer's org unit, the newest first."""
    row = Certificate
    statement = select(row)
    for column, value in (
        (row.programme_id, wanted.programme_id),
        (row.user_id, wanted.user_id),
        (row.enrolment_id, wanted.enrolment_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if wanted.states is not None:
        statement = statement.where(or_(false(), *[_is(one) for one in wanted.states]))
    if wanted.valid_at is not None:
        at = wanted.valid_at
        begun = and_(row.issued_at <= at, or_(row.expires_at.is_(None), row.expires_at > at))
        statement = statement.where(begun, or_(row.revoked_at.is_(None), row.revoked_at > at))
    orders = [Order(row.issued_at, descending=True), Order(row.id, descending=True)]
    return await paged(work, statement, orders, page)


async def by_ids(work: Work, ids: Sequence[UUID]) -> dict[UUID, Certificate]:
    """Return the certificates with these ids, those that the viewer may see."""
    return {row.id: row for row in await plain.by(work, Certificate, "id", ids)}


async def newest_of(work: Work, enrolment_ids: Sequence[UUID]) -> dict[UUID, Certificate]:
    """Return the certificate of each of these enrolments that was issued last."""
    rows = await plain.by(work, Certificate, "enrolment_id", enrolment_ids)
    return {row.enrolment_id: row for row in sorted(rows, key=lambda one: one.id)}


def grounds(row: Any) -> list[UUID]:
    """Return the submissions that a certificate rests on, of the row itself or of a record with its `grounds`."""
    return [UUID(one) for one in row.grounds]


def _is(wanted: CertificateState) -> ColumnElement[bool]:
    row, now = Certificate, func.evalium_now()
    is_over = and_(row.expires_at.is_not(None), row.expires_at <= now)
    match wanted:
        case CertificateState.REVOKED:
            return row.revoked_at.is_not(None)
        case CertificateState.EXPIRED:
            return and_(row.revoked_at.is_(None), is_over)
        case CertificateState.ACTIVE:
            return and_(row.revoked_at.is_(None), ~is_over)
