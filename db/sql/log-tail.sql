-- The chunks that hold the last lines of an attempt's log. Their size is counted before their content is looked at.
with counted as (
  select position, sum(lines) over (order by position desc) - lines as after
  from job_logs
  where job_id = :job_id and attempt = :attempt
)
select l.position + l.bytes as next_position, l."offset", l.content
from counted
join job_logs l on l.job_id = :job_id and l.attempt = :attempt and l.position = counted.position
where counted.after < :lines::int
order by l.position
