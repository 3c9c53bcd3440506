"""Every handler of the queue, and what the clock puts into it."""

from typing import Final

from jobs import assignments, evidence, idempotency, messages, programmes, queue, sign_ins
from jobs.handling import Handler, Tick

HANDLERS: Final[tuple[Handler, ...]] = (
    assignments.INVITE_JOINED,
    assignments.REMIND,
    evidence.VERIFY,
    evidence.PRUNE,
    messages.DELIVER,
    messages.WIPE,
    idempotency.PRUNE,
    programmes.FOLLOW,
    programmes.RETAKE,
    programmes.RENEW,
    programmes.TELL,
    queue.PRUNE,
    sign_ins.MAIL,
    sign_ins.PRUNE,
)

TICKS: Final[tuple[Tick, ...]] = (
    Tick(assignments.REMIND.name, "* * * * *"),
    Tick(idempotency.PRUNE.name, "*/10 * * * *"),
    Tick(messages.WIPE.name, "23 * * * *"),
    Tick(programmes.RETAKE.name, "* * * * *"),
    Tick(programmes.RENEW.name, "*/5 * * * *"),
    Tick(programmes.TELL.name, "* * * * *"),
    Tick(queue.PRUNE.name, "41 * * * *"),
    Tick(sign_ins.PRUNE.name, "5-55/10 * * * *"),
    Tick(evidence.PRUNE.name, "17 * * * *"),
)
