"""The queue of background jobs, as pgqueuer lays it out in the schema `jobs`: infrastructure, and no tenant's property.

The table is read here and written by the queue's own statements (services/jobs.py). `headers` names whose work a job
is; the payload holds ids and nothing else.
"""

from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ENUM, JSONB

SCHEMA = "jobs"

STATUSES = ("queued", "picked", "successful", "exception", "canceled", "deleted", "failed")
PARKED = "failed"
"""What the queue calls a job that it has given up and keeps for a human."""

_infrastructure = MetaData(schema=SCHEMA)
_status = ENUM(*STATUSES, name="pgqueuer_status", schema=SCHEMA, create_type=False)

queue = Table(
    "pgqueuer",
    _infrastructure,
    Column("id", BigInteger, primary_key=True),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("updated", DateTime(timezone=True), nullable=False),
    Column("execute_after", DateTime(timezone=True), nullable=False),
    Column[str]("status", _status, nullable=False),
    Column("entrypoint", Text, nullable=False),
    Column("dedupe_key", Text),
    Column("payload", LargeBinary),
    Column("headers", JSONB),
    Column("attempts", Integer, nullable=False),
)

log = Table(
    "pgqueuer_log",
    _infrastructure,
    Column("id", BigInteger, primary_key=True),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column[str]("status", _status, nullable=False),
    Column("traceback", JSONB),
)
