"""Submits a job for each row of a table, waits until all have ended, and collects what they left in the bucket.

    pip install -r ../requirements.txt
    export KELPIE_API_URL=http://127.0.0.1:4000 KELPIE_API_KEY=…
    export AWS_ENDPOINT_URL=… AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…
    python3 sweep.py sweep.csv --group local --bucket my-bucket --program /app/train.py
"""

import argparse
import asyncio
import csv
import json
import os
import sys
import uuid

import boto3
from botocore.config import Config
from gql import Client, gql
from gql.transport.exceptions import TransportClosed, TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

SUBMIT = gql("""
  mutation Submit($input: [SubmitJobInput!]!) {
    submitJobs(input: $input) {
      ... on SubmittedJobs { jobs { id } }
      ... on InvalidInput { issues { path message } }
      ... on Failure { code message }
    }
  }
""")

NOW = gql("query Now { feedCursor }")

EVENTS = gql("""
  subscription Events($after: Cursor!, $group: String!) {
    jobEvents(after: $after, filter: { containerGroupId: $group }) {
      ... on JobEvent { cursor jobId type }
      ... on EventGap { message }
    }
  }
""")

# How the server closes a connection whose key is not, or no longer, good.
REFUSALS = {4401, 4403}

# What may be asked again: the server is busy, cannot reach what it needs just now, or has failed for once.
PASSING = {"RATE_LIMITED", "UNAVAILABLE", "INTERNAL_SERVER_ERROR"}

ENDINGS = {"COMPLETED", "FAILED", "CANCELED", "PURGED"}


async def main():
    options = parse_options()
    with open(options.table, newline="") as file:
        rows = list(csv.DictReader(file))
    # All of the sweep's objects, under a name of its own.
    prefix = f"sweeps/{uuid.uuid4()}"

    async with connect() as session:
        # Asked for before the jobs are there: what becomes of them comes after it.
        cursor = (await session.execute(NOW))["feedCursor"]
        jobs = [describe(row, number, prefix, options) for number, row in enumerate(rows, 1)]
        answer = (await session.execute(SUBMIT, variable_values={"input": jobs}))["submitJobs"]
    if "jobs" not in answer:
        end(f"refused: {answer.get('issues') or answer['message']}")
    names = {job["id"]: number for number, job in enumerate(answer["jobs"], 1)}
    print(f"submitted {len(names)} jobs")

    endings = await wait_for_all(set(names), cursor, options.group)
    for job_id, number in names.items():
        row = rows[number - 1]
        found = f"loss {read_result(options.bucket, f'{prefix}/{number}/'):.6f}" if endings[job_id] == "COMPLETED" else ""
        print(f"row {number}: {' '.join(f'{name}={value}' for name, value in row.items())} {endings[job_id].lower()} {found}".rstrip())
    sys.exit(0 if set(endings.values()) == {"COMPLETED"} else 1)


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("table")
    parser.add_argument("--group", default="local")
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--program", default="train.py", help="where it is in the container")
    return parser.parse_args()


def connect():
    address = os.environ["KELPIE_API_URL"].replace("http", "ws", 1) + "/graphql"
    transport = WebsocketsTransport(
        url=address,
        init_payload={"X-Kelpie-Key": os.environ["KELPIE_API_KEY"]},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        ping_interval=10,
        pong_timeout=10,
    )
    return Client(transport=transport)


def describe(row, number, prefix, options):
    """One job. Its checkpoints go to the bucket while it runs, and come back should it have to move."""
    checkpoints = {"bucket": options.bucket, "prefix": f"{prefix}/{number}/checkpoints/", "localPath": "checkpoints"}
    output = {"bucket": options.bucket, "prefix": f"{prefix}/{number}/", "localPath": "output", "direction": "UPLOAD"}
    flags = [word for name, value in row.items() for word in (f"--{name.replace('_', '-')}", value)]
    return {
        "name": f"row {number}",
        "command": "python3",
        "arguments": [options.program, *flags],
        "containerGroupId": options.group,
        "labels": {"sweep": prefix.rpartition("/")[2]},
        "sync": {
            "before": [checkpoints | {"direction": "DOWNLOAD"}],
            "during": [checkpoints | {"direction": "UPLOAD"}],
            "after": [output],
        },
    }


async def wait_for_all(waiting, cursor, group):
    """How each job ended. After a lost connection, the feed goes on behind the last event that was seen."""
    endings = {}
    while waiting:
        try:
            async with connect() as session:
                async for answer in session.subscribe(EVENTS, variable_values={"after": cursor, "group": group}):
                    event = answer["jobEvents"]
                    if "cursor" not in event:
                        end(event["message"])
                    cursor = event["cursor"]
                    if event["type"] in ENDINGS and event["jobId"] in waiting:
                        waiting.remove(event["jobId"])
                        endings[event["jobId"]] = event["type"]
                    if not waiting:
                        break
        except (TransportClosed, TransportConnectionFailed, OSError) as error:
            close = getattr(error.__cause__, "rcvd", None)
            if close is not None and close.code in REFUSALS:
                end(close.reason)
            print("connection lost, going on after the last event", file=sys.stderr)
            await asyncio.sleep(1)
        except TransportQueryError as error:
            faults = error.errors or [{"message": str(error)}]
            lasting = [fault["message"] for fault in faults if (fault.get("extensions") or {}).get("code") not in PASSING]
            if lasting:
                end(" ".join(lasting))
            print(f"{faults[0]['message']}, going on after the last event", file=sys.stderr)
            await asyncio.sleep(1)
    return endings


def end(reason):
    """Not by 1, which says that a job has failed."""
    print(reason, file=sys.stderr)
    sys.exit(2)


def read_result(bucket, prefix):
    # Stores other than AWS's: buckets in the path, and checksums only where they are asked for.
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}, response_checksum_validation="when_required"))
    return json.load(s3.get_object(Bucket=bucket, Key=f"{prefix}result.json")["Body"])["loss"]


if __name__ == "__main__":
    asyncio.run(main())
