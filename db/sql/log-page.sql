-- The next chunks of an attempt's log from a position on, as many as begin within so many bytes of the first, which is there
-- wherever it begins: what lay between was dropped.
with first as (
  select position
  from job_logs
  where job_id = :job_id and attempt = :attempt and position >= :position::bigint and "offset" + lines > :from_offset::int
  order by position
  limit 1
)
select l.position + l.bytes as next_position, l."offset", l.content
from first
join job_logs l on l.job_id = :job_id and l.attempt = :attempt
 and l.position >= first.position and l.position < first.position + :bytes::bigint
order by l.position
