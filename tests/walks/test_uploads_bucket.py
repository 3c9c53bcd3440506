"""The same with a bucket: a file is gathered, handed over, recorded, verified and downloaded."""

import asyncio
import hashlib
import socket

import uvicorn

from tests.storage.bucket import FakeBucket
from tests.walks import files
from tests.walks.conftest import key, running
from tests.walks.files import here

BODY = b"From the bucket. " * 4000


async def test_a_file_goes_into_a_bucket_and_comes_back(database, tmp_path):
    fake, listener = FakeBucket(), socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(fake.app, log_level="warning", lifespan="off"))
    server.install_signal_handlers = lambda: None
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    settings = {
        "EVALIUM_S3_BUCKET": "evidence",
        "EVALIUM_S3_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}",
        "EVALIUM_S3_REGION": "eu-west-1",
        "EVALIUM_S3_ACCESS_KEY": "key",
        "EVALIUM_S3_SECRET_KEY": "hush",
    }
    async with running(database, tmp_path, **settings) as live:
        version = await files.publish(live)
        submission, sitting = await files.hand_in(live, version, BODY)
        assert list(fake.objects.values()) == [BODY]
        assert "hush" not in repr(live.service.house)
        seen = (await live.ask("SubmissionEvidence", {"id": submission}, role="admin"))["submission"]
        (evidence,) = seen["items"][0]["evidence"]
        own = {"authorization": f"Bearer {sitting.token}", "range": "bytes=5-20"}
        part = await live.http.get(here(live, evidence["contentUrl"]), headers=own)
        assert (part.status_code, part.content) == (206, BODY[5:21])

        async def verified() -> dict:
            await live.do("EvidenceVerify", {"id": evidence["id"], "idempotencyKey": key()}, role="assessor")
            async with asyncio.timeout(20):
                while True:
                    shown = (await live.ask("EvidenceItem", {"id": evidence["id"]}, role="auditor"))["evidenceItem"]
                    if shown["integrity"] != "QUEUED":
                        return shown
                    await asyncio.sleep(0.05)

        assert (await verified())["integrity"] == "VERIFIED"
        (name,) = fake.objects
        fake.objects[name] = BODY[:-1] + b"!"
        found = await verified()
        assert (found["integrity"], found["events"][-1]["facts"]["sha256"]) == (
            "FAILED",
            hashlib.sha256(fake.objects[name]).hexdigest(),
        )
    server.should_exit = True
    await serving
