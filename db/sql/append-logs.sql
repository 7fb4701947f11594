-- Rule 2: the fence, the chunk and its bookkeeping are one statement. Only a live attempt may append; no row: the lease is lost.
-- The attempt's row is held, so that one attempt's chunks come one after another. The newest chunk says how far the log is:
-- lines before that are there already and are passed over, and a gap after it stays one.
-- The first part of a log stays for good; of the rest, what lies further back than the last `half` bytes goes with each append.
-- Account and outcome are asked for as in `renew-lease.sql`, by no index.
with attempt as materialized (
  select job_id, number
  from attempts
  where job_id = :job_id and number = :attempt and (account_id = :account_id and outcome is null) is true
  for no key update
),
newest as materialized (
  select l."offset" + l.lines as lines, l.position + l.bytes as bytes
  from job_logs l
  where l.job_id = :job_id and l.attempt = :attempt
  order by l.position desc
  limit 1
),
log as materialized (
  select attempt.job_id, attempt.number, coalesce(newest.lines, 0) as lines, coalesce(newest.bytes, 0) as bytes
  from attempt
  left join newest on true
),
fresh as materialized (
  -- A row costs something besides its content.
  select log.*, given.content, given.count, octet_length(given.content::text) + 100 as size
  from log
  cross join lateral (
    select jsonb_agg(line order by n) as content, count(*)::int as count
    from jsonb_array_elements(:content::jsonb) with ordinality as each (line, n)
    where :offset::int + n > log.lines
  ) given
  where given.count > 0
),
stored as (
  insert into job_logs (job_id, attempt, position, "offset", lines, bytes, content)
  select job_id, number, bytes, greatest(lines, :offset::int), count, size, content
  from fresh
  -- Another append was first, and this one has not seen it: then this one is answered with what was there before, and comes again.
  on conflict do nothing
  returning "offset" + lines as lines
),
dropped as (
  delete from job_logs l
  using fresh
  where l.job_id = :job_id
    and l.attempt = :attempt
    and l.position >= :half::bigint
    and l.position < fresh.bytes + fresh.size - :half::bigint
)
select coalesce((select lines from stored), log.lines) as next_offset, exists (select from stored) as stored
from log
