#!/bin/sh
# Submits a job, follows what it writes, and ends as it ended. Needs curl.
#
#   export KELPIE_API_URL=http://127.0.0.1:4000 KELPIE_API_KEY=…
#   sh submit.sh local 'echo hello; sleep 1; echo goodbye'
set -eu

group=${1:?Give a container group, such as local, and a script}
script=${2:?Give a script behind the group, such as 'echo hello'}

: "${KELPIE_API_URL:?Set it to the address of the server, such as http://127.0.0.1:4000}"
: "${KELPIE_API_KEY:?Set it to a key of the server}"

# The key goes through standard input: the arguments of a process can be seen by everybody on the machine.
api() {
  printf 'X-Kelpie-Key: %s\n' "$KELPIE_API_KEY" | curl --silent --show-error --fail-with-body --header @- "$@"
}

# What the server answers; the words of a refusal go to standard error, and nothing is answered then.
answered() {
  if answer=$(api "$@"); then
    printf '%s' "$answer"
  elif [ -n "$answer" ]; then
    printf '%s\n' "$answer" >&2
  fi
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
id=$(answered "$KELPIE_API_URL/jobs" --data "$job" | field id)
[ -n "$id" ] || exit 1
echo "submitted $id"

# To the end of the job, from one machine to the next. Cut off, it would be asked again with the last id in Last-Event-ID.
api --no-buffer "$KELPIE_API_URL/jobs/$id/logs?follow=true"

status=$(answered "$KELPIE_API_URL/jobs/$id" | field status)
[ -n "$status" ] || exit 1
echo "$status"
[ "$status" = completed ]
