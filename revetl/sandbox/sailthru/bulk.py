"""/job: the bulk update of users. It starts late, works line by line, and says nothing of any user.

A line that cannot be done is left out; where the account has reports, the job links one that numbers such lines.
"""

from __future__ import annotations

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.sailthru.problems import bad, missing, problem
from revetl.sandbox.sailthru.profiles import Profiles, said
from revetl.sandbox.sailthru.signed import Asked
from revetl.sandbox.wire import Answer, RefusedError, Request, answer
from revetl.types import JSON

MOST_BYTES = 100_000_000
REPORTS = "/sailthru-reports/"
_SOURCES = ("emails", "url", "file", "query")
_KEPT = 7_200.0  # seconds for which a report can be read


def start(box: Sandbox, asked: Asked) -> Answer:
    """POST /job."""
    kind = asked.payload.get("job")
    if not kind:
        raise missing("job")
    if kind != "update":
        raise bad(f"The stand-in knows no job {kind}")
    sources = [name for name in _SOURCES if name in asked.payload or (name == "file" and asked.file is not None)]
    if len(sources) != 1:
        raise bad("Exactly one of emails, url, file or query must be given")
    if asked.file is None:
        raise bad("The stand-in takes files alone")
    if len(asked.file) > MOST_BYTES:
        raise problem(413, 99, "The file is larger than 100 MB")
    number = box.store["next_job"]
    box.store["next_job"] += 1
    job_id = f"{0x61000000:08x}{number:016x}"
    lines = [line for line in asked.file.decode(errors="replace").split("\n") if line.strip()]
    box.store["jobs"][job_id] = {"created": box.now(), "lines": lines, "done": 0, "errors": []}
    return answer(200, {"job_id": job_id, "name": "Bulk Update", "status": "pending"})


def status(box: Sandbox, asked: Asked) -> Answer:
    """GET /job."""
    job_id = asked.payload.get("job_id")
    if not job_id:
        raise missing("job_id")
    job = box.store["jobs"].get(job_id)
    if job is None:
        raise bad(f"Invalid job_id: {job_id}")
    told: dict[str, JSON] = {"job_id": job_id, "name": "Bulk Update", "status": "pending"}
    if job["done"]:
        told["start_time"] = said(job["created"])
    if _over(box, job):
        told |= {"status": "error" if box.options["jobs"]["fail"] else "completed", "end_time": said(_end(box, job))}
        if job["errors"] and box.options["jobs"]["reports"] and not box.options["jobs"]["fail"]:
            told["error_report_url"] = f"https://s3.amazonaws.com{REPORTS}{job_id}.json?Expires={int(_end(box, job))}"
    return answer(200, told)


def report(box: Sandbox, request: Request) -> Answer:
    """Return the report of a job's errors, a JSON object a line; anybody with the link may read it, for two hours."""
    job = box.store["jobs"].get(request.path.removeprefix(REPORTS).removesuffix(".json"))
    if job is None or not job["errors"] or box.now() > _end(box, job) + _KEPT:
        return Answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"content-type": "application/xml"})
    text = b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in job["errors"])
    return Answer(200, text, {"content-type": "application/json"})


def advance(box: Sandbox) -> None:
    """Do what jobs would have done by now."""
    for job in box.store["jobs"].values():
        if job["done"] < len(job["lines"]):
            _work(box, job)


def _work(box: Sandbox, job: dict[str, JSON]) -> None:
    total, seconds = len(job["lines"]), float(box.options["jobs"]["seconds"])
    share = 1.0 if not seconds else min(1.0, max(0.0, (box.now() - job["created"]) / seconds))
    most = int(total * share) if not box.options["jobs"]["fail"] else min(int(total * share), total // 2)
    for place in range(job["done"], most):
        try:
            _line(box, job["lines"][place])
        except RefusedError as refused:
            job["errors"].append({"lineNumber": str(place + 1), **refused.payload})
    job["done"] = max(job["done"], most)


def _line(box: Sandbox, text: str) -> None:
    try:
        asked = orjson.loads(text)
    except orjson.JSONDecodeError as broken:
        raise bad("Invalid JSON") from broken
    if not isinstance(asked, dict):
        raise bad("Invalid JSON")
    if "email" in asked and "id" not in asked:
        asked = {**{name: value for name, value in asked.items() if name != "email"}, "id": asked["email"]}
    Profiles(box).change(asked)


def _end(box: Sandbox, job: dict[str, JSON]) -> float:
    return float(job["created"]) + float(box.options["jobs"]["seconds"])


def _over(box: Sandbox, job: dict[str, JSON]) -> bool:
    return box.now() >= _end(box, job)
