"""Send stored files, with byte ranges and ETags, or through the front server (X-Accel)."""

import re
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from rest_framework.request import Request

from kit.errors import NotFound

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_BLOCK = 1 << 16


def send(
    request: HttpRequest | Request,
    name: str,
    content_type: str,
    filename: str,
    *,
    cache: str = "private, no-cache",
) -> HttpResponseBase:
    """Return the HTTP response for a stored file; supports one byte range (RFC 9110 §14).

    `cache` is the value of the header Cache-Control.

    Raises:
        NotFound: the storage has no such file.
    """
    as_attachment = "download" in request.GET
    headers = {
        "Content-Disposition": content_disposition_header(as_attachment, filename)
        or "",
        "Accept-Ranges": "bytes",
        "Cache-Control": cache,
        "ETag": f'"{name.rsplit("/", 1)[-1]}"',
        "X-Content-Type-Options": "nosniff",
    }
    if settings.X_ACCEL_PREFIX:
        headers["X-Accel-Redirect"] = f"{settings.X_ACCEL_PREFIX}/{name}"
        return HttpResponse(content_type=content_type, headers=headers)
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return HttpResponse(status=304, headers=headers)
    try:
        file = default_storage.open(name)
        size = file.size
    except FileNotFoundError as error:
        raise NotFound from error
    requested = _requested_range(request, headers["ETag"], size)
    if requested is None:
        return FileResponse(
            file,
            as_attachment=as_attachment,
            filename=filename,
            content_type=content_type,
            headers={**headers, "Content-Length": str(size)},
        )
    start, end = requested
    if start >= size:
        file.close()
        return HttpResponse(
            status=416, headers={**headers, "Content-Range": f"bytes */{size}"}
        )
    file.seek(start)
    return StreamingHttpResponse(
        _read(file, end - start + 1),
        status=206,
        content_type=content_type,
        headers={
            **headers,
            "Content-Length": str(end - start + 1),
            "Content-Range": f"bytes {start}-{end}/{size}",
        },
    )


def _requested_range(
    request: HttpRequest | Request, etag: str, size: int
) -> tuple[int, int] | None:
    """Return the first and last byte of the Range header; None for the whole file."""
    found = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if found is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:  # a suffix range: the last `last` bytes
        length = int(last)
        return (max(0, size - length), size - 1) if length else (size, size)
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    return (start, end) if start <= end or start >= size else None


def _read(file: Any, length: int) -> Any:
    with file:
        while length > 0 and (block := file.read(min(_BLOCK, length))):
            length -= len(block)
            yield block
