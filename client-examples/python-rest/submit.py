"""Submits a job over REST, waits for its end, and prints what it wrote.

    pip install -r ../requirements.txt
    export KELPIE_API_URL=http://127.0.0.1:4000 KELPIE_API_KEY=…
    python3 submit.py local echo hello
"""

import os
import sys
import uuid

import requests


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    group, command, *arguments = sys.argv[1:]
    url = os.environ["KELPIE_API_URL"]
    with requests.Session() as session:
        session.headers["X-Kelpie-Key"] = os.environ["KELPIE_API_KEY"]
        job = submit(session, url, {"command": command, "arguments": arguments, "container_group_id": group})
        print(f"submitted {job['id']}")
        job = wait(session, url, job["id"])
        print(f"{job['status']} on {job['machine_id']}")
        print(get(session, f"{url}/jobs/{job['id']}/logs", Accept="text/plain").text, end="")
    sys.exit(0 if job["status"] == "completed" else 1)


def submit(session, url, body):
    # With a key of its own, a submission whose answer was lost can be sent again.
    answer = session.post(f"{url}/jobs", json=body, headers={"Idempotency-Key": str(uuid.uuid4())}, timeout=30)
    return checked(answer).json()


def wait(session, url, job_id):
    """Each request is answered when the job has changed, or after a minute."""
    version = None
    while True:
        headers = {} if version is None else {"If-None-Match": version, "Prefer": "wait=60"}
        answer = get(session, f"{url}/jobs/{job_id}", **headers)
        if answer.status_code != 304:
            version, job = answer.headers["ETag"], answer.json()
            if job["status"] not in ("pending", "running"):
                return job


def get(session, address, **headers):
    return checked(session.get(address, headers=headers, timeout=90))


def checked(answer):
    """What the server has against a request, it says in words for a person."""
    if answer.headers.get("Content-Type") == "application/problem+json":
        problem = answer.json()
        faults = [f"{fault['pointer']}: {fault['message']}" for fault in problem.get("errors", [])]
        sys.exit("\n".join(faults or [problem["message"]]))
    answer.raise_for_status()
    return answer


if __name__ == "__main__":
    main()
