"""What the walks of signing in do again and again."""

import asyncio

from sqlalchemy import select

from models.activity import Activity
from services.viewer import Viewer
from services.work import Work
from tests.factories.sign_ins import Person
from tests.walks.conftest import Live, document

VIEWER = "{ viewer { user { email } orgUnit { name } capabilities } }"


async def as_system(live: Live, tenant_id, act):
    viewer = Viewer.anonymous() if tenant_id is None else Viewer.system(tenant_id)
    return await live.service.house.office.perform(viewer, act)


async def change(live: Live, who: Person, statement) -> None:
    async def act(work: Work):
        await work.session.execute(statement)

    await as_system(live, who.tenant_id, act)


async def redeem(live: Live, **given) -> dict:
    body = await live.post(document("SignInRedeem"), {"input": given})
    return body["data"]["signInRedeem"] if body.get("data") else body


def problem(payload: dict) -> dict:
    (one,) = payload["problems"]
    assert payload["tokens"] is None
    return one


def codes(body: dict) -> list[str]:
    return [error["extensions"]["code"] for error in body.get("errors", [])]


async def acts(live: Live, who: Person, until: str) -> list[str]:
    """What the ledger tells of a person, once it tells of `until`; notes come a moment after the answer."""
    async with asyncio.timeout(10):
        while True:
            await live.service.house.audit.flush(close=True)
            async with live.service.house.office.snapshot(Viewer.system(who.tenant_id)) as work:
                wanted = select(Activity.act).where(Activity.subject_id == who.user_id).order_by(Activity.id)
                told = [row.act for row in await work.rows(wanted)]
            if until in told:
                return told
            await asyncio.sleep(0.02)
