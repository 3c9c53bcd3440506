"""Rooms: sessions that are watched together, and who watches them (domain.md section 6)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Narrowing, Resource, Timed, index, primary, refer, refer_within, silo, silo_key, unique

OF_STAFF = {"narrow": [Narrowing.ORG_UNIT, Narrowing.STAFF_ONLY]}


class Room(Resource, Timed, Base):
    """A room of an org unit, real or not. An archived one takes nobody in any more."""

    __tablename__ = "rooms"
    __table_args__ = (
        primary(),
        silo(),
        silo_key(),
        refer("created_by", "users"),
        unique("org_unit_id", "name"),
        CheckConstraint("capacity > 0", "capacity"),
        {"info": OF_STAFF},
    )

    name: Mapped[str]
    capacity: Mapped[int | None] = mapped_column(Integer)
    archived_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(Integer, server_default="1")


class RoomProctor(Resource, Timed, Base):
    """Somebody who watches a room, and by whom that was decided."""

    __tablename__ = "room_proctors"
    __table_args__ = (
        primary(),
        refer_within("room_id", "rooms"),
        refer("user_id", "users"),
        unique("room_id", "user_id"),
        index("ix_room_proctors_user", "user_id", "room_id"),
        {"info": OF_STAFF},
    )

    room_id: Mapped[UUID]
    user_id: Mapped[UUID]
    assigned_by: Mapped[UUID | None]


class RoomSeat(Resource, Timed, Base):
    """Into which room somebody's sessions of an assignment come when they begin."""

    __tablename__ = "room_seats"
    __table_args__ = (
        primary(),
        refer_within("room_id", "rooms"),
        refer_within("assignment_id", "assignments"),
        refer("user_id", "users"),
        unique("assignment_id", "user_id"),
        index("ix_room_seats_room", "room_id"),
        {"info": OF_STAFF},
    )

    room_id: Mapped[UUID]
    assignment_id: Mapped[UUID]
    user_id: Mapped[UUID]
    assigned_by: Mapped[UUID | None]
