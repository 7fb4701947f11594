"""Submits a job over REST, waits for its end, and prints what it wrote.

    pip install -r ../requirements.txt
    export KELPIE_API_URL=http://127.0.0.1:4000 KELPIE_API_KEY=…
    python3 submit.py local echo hello
"""

import os
import sys
import uuid

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

# A job takes longer than connections last: for half a minute each request is sent again, and as late as the server asks for.
AGAIN = Retry(total=6, backoff_factor=0.5, allowed_methods=None, status_forcelist=(429, 502, 503, 504), raise_on_status=False)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    group, command, *arguments = sys.argv[1:]
    url = given("KELPIE_API_URL").rstrip("/")
    with requests.Session() as session:
        session.mount(url, HTTPAdapter(max_retries=AGAIN))
        session.headers["X-Kelpie-Key"] = given("KELPIE_API_KEY")
        job = submit(session, url, {"command": command, "arguments": arguments, "container_group_id": group})
        print(f"submitted {job['id']}")
        job = wait(session, url, job["id"])
        print(f"{job['status']} on {job['machine_id']}")
        print(get(session, f"{url}/jobs/{job['id']}/logs", Accept="text/plain").text, end="")
    sys.exit(0 if job["status"] == "completed" else 1)


def given(name):
    return os.environ.get(name) or sys.exit(f"{name} is not set:\n{__doc__}")


def submit(session, url, body):
    # With a key of its own, a submission whose answer was lost is sent again, and makes no second job.
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
    try:
        main()
    except requests.exceptions.RequestException as error:
        sys.exit(f"The server does not answer: {error}")
