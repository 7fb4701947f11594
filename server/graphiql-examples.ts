/** What GraphiQL opens with: operations that work on a fresh install. */
export const EXAMPLES = `# Put your key into the Headers tab below: {"X-Kelpie-Key": "…"}

# 1. Submit a job. It waits until an agent of its container group is there.
mutation Submit {
  submitJob(
    input: { name: "hello", command: "sh", arguments: ["-c", "echo hello; sleep 5"], containerGroupId: "local" }
  ) {
    ... on Job {
      id
      status
    }
    ... on Failure {
      code
      message
    }
    ... on InvalidInput {
      issues {
        path
        message
      }
    }
  }
}

# 2. Look at the newest jobs.
query Newest {
  jobs(first: 10) {
    totalCount
    nodes {
      id
      name
      status
      statusReason
      machineId
      attempt {
        number
        phase
        outcome
      }
    }
  }
}

# 3. Follow one, with its id from above.
subscription Follow {
  jobUpdated(id: "00000000-0000-0000-0000-000000000000") {
    status
    progress {
      fraction
      message
    }
    attempt {
      number
      phase
      machineId
    }
  }
}
`;
