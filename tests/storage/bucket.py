"""A bucket that speaks as much S3 as a client of one uses, in memory: whole objects, parts, ranges, signatures unread."""

import hashlib
from dataclasses import dataclass, field
from itertools import count

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

XML = "application/xml"


@dataclass
class FakeBucket:
    """Objects by key, and parts by upload."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    numbers: count = field(default_factory=count)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[Route("/{bucket}/{key:path}", self.answer, methods=["GET", "HEAD", "PUT", "POST", "DELETE"])]
        )

    async def answer(self, request: Request) -> Response:
        key, query, body = request.path_params["key"], request.query_params, await request.body()
        self.asked.append(f"{request.method} {'?'.join([key, *sorted(query)])}")
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
        match request.method:
            case "POST" if "uploads" in query:
                upload = f"u{next(self.numbers)}"
                self.uploads[upload] = {}
                return Response(f"<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>{key}</Key><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>", media_type=XML)  # fmt: skip
            case "POST":
                parts = self.uploads.pop(query["uploadId"])
                self.objects[key] = b"".join(parts[number] for number in sorted(parts))
                return Response(f"<CompleteMultipartUploadResult><Location>l</Location><Bucket>b</Bucket><Key>{key}</Key><ETag>{tag(self.objects[key])}</ETag></CompleteMultipartUploadResult>", media_type=XML)  # fmt: skip
            case "PUT" if "partNumber" in query:
                self.uploads[query["uploadId"]][int(query["partNumber"])] = body
                return Response(headers={"etag": tag(body)})
            case "PUT":
                self.objects[key] = body
                return Response(headers={"etag": tag(body)})
            case "DELETE":
                self.objects.pop(key, None)
                return Response(status_code=204)
        return self.read(request, key)

    def read(self, request: Request, key: str) -> Response:
        whole = self.objects.get(key)
        if whole is None:
            return Response("<Error><Code>NoSuchKey</Code></Error>", 404, media_type=XML)
        headers = {"etag": tag(whole), "last-modified": "Thu, 26 Nov 2026 00:00:00 GMT"}
        if request.method == "HEAD":
            return Response(headers={**headers, "content-length": str(len(whole))})
        wanted = request.headers.get("range")
        if wanted is None:
            return Response(whole, headers=headers)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = whole[int(first) : int(last) + 1 if last else None]
        headers["content-range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(whole)}"
        return Response(part, 206, headers)


def tag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
