-- Rule 2: the fence, the chunk and its bookkeeping are one statement. Only a live attempt may append. Chunks of many attempts, one of each;
-- what is not returned was not taken. An attempt that somebody else holds just then is passed over, as in `renew-leases.sql`.
-- The attempt's row is held, so that one attempt's chunks come one after another; those of several jobs in the order of the jobs' ids, as
-- everywhere. The newest chunk says how far the log is: lines before that are there already and are passed over, and a gap after it stays one.
-- The first part of a log stays for good; of the rest, what lies further back than the last `half` bytes goes with each append.
-- Account and outcome are asked for as in `renew-leases.sql`, by no index, and each row by itself.
with asked as materialized (
  select one.*, each.place::int as place
  from unnest(array(select jsonb_array_elements(:said::jsonb))) with ordinality as each (said, place)
  cross join lateral jsonb_to_record(each.said)
    as one (account_id uuid, job_id uuid, attempt int, "offset" int, content jsonb, half bigint)
  order by one.job_id, one.attempt
),
held as materialized (
  select asked.*
  from asked
  cross join lateral (
    select
    from attempts
    where job_id = asked.job_id and number = asked.attempt and (account_id = asked.account_id and outcome is null) is true
    for no key update skip locked
  ) attempt
),
log as materialized (
  select held.*, coalesce(newest.lines, 0) as lines, coalesce(newest.bytes, 0) as bytes
  from held
  left join lateral (
    select l."offset" + l.lines as lines, l.position + l.bytes as bytes
    from job_logs l
    where l.job_id = held.job_id and l.attempt = held.attempt
    order by l.position desc
    limit 1
  ) newest on true
),
fresh as materialized (
  -- A row costs something besides its content.
  select log.place, log.job_id, log.attempt, log.half, log.bytes, greatest(log.lines, log."offset") as "offset",
         given.content, given.count, octet_length(given.content::text) + 100 as size
  from log
  cross join lateral (
    select jsonb_agg(line order by n) as content, count(*)::int as count
    from jsonb_array_elements(log.content) with ordinality as each (line, n)
    where log."offset" + n > log.lines
  ) given
  where given.count > 0
),
stored as (
  insert into job_logs (job_id, attempt, position, "offset", lines, bytes, content)
  select job_id, attempt, bytes, "offset", count, size, content
  from fresh
  -- Another append was first, and this one has not seen it: then this one is answered with what was there before, and comes again.
  on conflict do nothing
  returning job_id, attempt, "offset" + lines as lines
),
dropped as (
  delete from job_logs l
  using fresh
  where l.job_id = fresh.job_id
    and l.attempt = fresh.attempt
    and l.position >= fresh.half
    and l.position < fresh.bytes + fresh.size - fresh.half
)
select log.place, coalesce(stored.lines, log.lines) as next_offset, stored.lines is not null as stored
from log
left join stored on stored.job_id = log.job_id and stored.attempt = log.attempt
