#!/bin/sh
# Submits a job, follows what it writes, and ends as it ended. Needs curl.
#
#   export KELPIE_API_URL=http://127.0.0.1:4000 KELPIE_API_KEY=…
#   sh submit.sh local 'echo hello; sleep 1; echo goodbye'
set -eu

group=${1:?the container group}
script=${2:?what to run}

# The key goes through standard input: the arguments of a process can be seen by everybody on the machine.
api() {
  printf 'X-Kelpie-Key: %s\n' "$KELPIE_API_KEY" | curl --silent --show-error --fail-with-body --header @- "$@"
}

# A text as JSON: backslashes, quotes and line ends are all that a script is likely to have.
json() {
  printf '"%s"' "$(printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' | awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }')"
}

# The first of that name: a job's own fields stand before what was given with it.
field() {
  grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4
}

job="{\"command\": \"sh\", \"arguments\": [\"-c\", $(json "$script")], \"container_group_id\": $(json "$group")}"
answer=$(api "$KELPIE_API_URL/jobs" --data "$job") || { printf '%s\n' "$answer" >&2; exit 1; }
id=$(printf '%s' "$answer" | field id)
echo "submitted $id"

# To the end of the job, from one machine to the next. Cut off, it would be asked again with the last id in Last-Event-ID.
api --no-buffer "$KELPIE_API_URL/jobs/$id/logs?follow=true"

status=$(api "$KELPIE_API_URL/jobs/$id" | field status)
echo "$status"
[ "$status" = completed ]
