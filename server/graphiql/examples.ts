/** What the variables tab opens with: the id that the first example answers belongs there. */
export const VARIABLES = JSON.stringify({ id: '' }, undefined, 2);

/** What GraphiQL opens with: operations that work on a fresh install. */
export const EXAMPLES = `# Put your key into the Headers tab below.
# Ctrl-Shift-R then fetches the schema, to
# complete what you write. Choose these, one
# after another, at the play button.

# 1. Submit a job. It waits until an agent
# of its container group is there. Copy the
# answered id into the Variables tab.
mutation Submit {
  submitJob(
    input: {
      name: "hello"
      command: "sh"
      arguments: ["-c", "echo hello; sleep 5"]
      containerGroupId: "local"
    }
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

# 2. Watch it: as it is, and then every change.
subscription Watch($id: ID!) {
  jobUpdated(id: $id) {
    status
    statusReason
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

# 3. Follow what its command writes.
subscription Logs($id: ID!) {
  jobLogs(jobId: $id) {
    attempt
    lines {
      at
      text
    }
  }
}

# 4. List the newest jobs.
query List {
  jobs(first: 10) {
    totalCount
    nodes {
      id
      name
      status
      createdAt
      machineId
    }
  }
}

# 5. Read what has happened to it.
query Events($id: ID!) {
  job(id: $id) {
    events(first: 100) {
      nodes {
        seq
        type
        at
        attempt
        data
      }
    }
  }
}

# 6. Cancel it.
mutation Cancel($id: ID!) {
  cancelJob(id: $id) {
    ... on Job {
      id
      status
    }
    ... on Failure {
      code
      message
    }
  }
}
`;
