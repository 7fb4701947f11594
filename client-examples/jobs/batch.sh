#!/bin/sh
# Works through many small items, as a job that survives interruptions: what is done is a file, and a file that is there is not made
# again. Sync `results` before (download) and during (upload) the job, and a new machine goes on where the last one was.
#
#   sh batch.sh 20          counts the primes below 1000, 2000, … 20000
set -eu

items=${1:-20}
mkdir -p results

done_already=$(find results -name 'primes-*.txt' | wc -l)
echo "Of $items items, $((done_already)) are done"

item=1
while [ "$item" -le "$items" ]; do
  result=$(printf 'results/primes-%03d.txt' "$item")
  if [ ! -e "$result" ]; then
    # Whatever stands for your program. Beside it first, then renamed: whoever looks sees the whole file or none.
    seq 2 $((item * 1000)) | factor | awk 'NF == 2' | wc -l >"$result.part"
    mv "$result.part" "$result"
    if [ -n "${KELPIE_PROGRESS_FILE:-}" ]; then
      printf '{"fraction": %s, "message": "%s of %s"}' "$(echo "$item $items" | awk '{ print $1 / $2 }')" "$item" "$items" \
        >"$KELPIE_PROGRESS_FILE.part"
      mv "$KELPIE_PROGRESS_FILE.part" "$KELPIE_PROGRESS_FILE"
    fi
    sleep "${PAUSE:-0}"
  fi
  item=$((item + 1))
done

echo "$(cat results/primes-*.txt | awk '{ sum += $1 } END { print sum }') primes counted in $items items"
