"""A signing key is changed: what the old one signed stays verifiable, and nobody else's key slips in."""

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.base import uuid7
from server import ledger as commands
from services import ledger, ledger_export, ledger_keys
from services.ledger import Notary
from services.ledger_export import Filter
from services.viewer import Viewer
from tests.factories import tenants

OLD, NEW, LATER = Notary(bytes(32)), Notary(bytes(31) + b"1"), Notary(bytes(31) + b"2")
ENTER = "insert into ledger_keys (key_id, vouched_by, public, signature) values ($1, $2, $3, $4)"


async def keep(office, notary) -> int:
    return await office.perform(Viewer.anonymous(), lambda work: ledger_keys.keep(work, notary))


async def known(office, notary):
    async with office.snapshot(Viewer.anonymous()) as work:
        return await ledger_keys.known(work, notary)


async def checkpoint(office, place, notary) -> None:
    async with office.work(place.system) as work:
        work.record("test.done", ("test", uuid7()))
    await ledger_export.settle(office, notary, place.tenant_id)


async def test_what_an_older_key_signed_is_verified_after_two_rotations(office, tmp_path):
    place = await tenants.found(office)
    for notary, rows in ((OLD, 1), (NEW, 2), (LATER, 3)):
        assert (await keep(office, notary), await keep(office, notary)) == (rows, 0), "once for each key"
        await checkpoint(office, place, notary)
    path, key = tmp_path / "activity.jsonl", tmp_path / "key.json"
    await commands.export_to(office, LATER, place.tenant_id, path)
    keys = await known(office, LATER)
    assert next(iter(keys)) == LATER.key_id, "the one in use comes first"
    assert set(keys) == {OLD.key_id, NEW.key_id, LATER.key_id}
    key.write_bytes(orjson.dumps(ledger.published(keys)))
    verdict = commands.verify_files(path, (), key)
    assert (verdict.exit_code, verdict.remarks) == (0, ())
    key.write_bytes(orjson.dumps(ledger.published({LATER.key_id: LATER.public})))
    assert commands.verify_files(path, (), key).exit_code == 3, "without the past keys their checkpoints are a remark"
    async with office.snapshot(place.system) as work:
        span = await ledger_export.span(work, Filter())
    verdict, _ = await ledger_export.check(office, place.system, span, keys)
    assert (verdict.is_intact, verdict.remarks) == (True, ())


@pytest.mark.parametrize("claims", ["itself", "the key in use", "nonsense"])
async def test_a_key_that_was_put_into_the_table_is_never_published(office, claims: str):
    await keep(office, LATER)
    before = set(await known(office, LATER))
    insider = Notary(Ed25519PrivateKey.generate().private_bytes_raw())
    by = insider.key_id if claims == "itself" else LATER.key_id
    signature = "?" if claims == "nonsense" else insider.vouch(insider.public)
    row = (insider.key_id, by, ledger.encoded(insider.public), signature)
    await office.perform(Viewer.anonymous(), lambda work: work.fetch(ENTER, *row))
    assert await keep(office, LATER) == 0
    assert set(await known(office, LATER)) == before


async def test_keys_are_neither_changed_nor_removed(office):
    await keep(office, OLD)
    for statement in ("update ledger_keys set public = 'x'", "delete from ledger_keys"):
        with pytest.raises(Exception, match="permission denied"):
            await office.perform(Viewer.anonymous(), lambda work, text=statement: work.fetch(text))
