-- A page of an account's feed (without an account: of everybody's). Settled events alone, so that nothing can appear behind what
-- was given out (rule 12); transactions of other databases hold up nothing. The horizon and the oldest running transaction are of the same
-- snapshot, and come also where there is no event. Before the horizon, only some of what happened may be left (events of jobs that live):
-- the feed begins behind it.
with present as materialized (
  select coalesce(
    (
      select x from pg_snapshot_xip(pg_current_snapshot()) x
      where x <> all (:elsewhere::xid8[])
      order by x limit 1
    ),
    pg_snapshot_xmax(pg_current_snapshot())
  ) as oldest
)
select jsonb_build_object('horizon', jsonb_build_object('xid', h.xid::text, 'id', h.event_id::text),
                          'oldestRunning', (select oldest::text from present)) as around,
       e.*
from event_horizon h
cross join lateral (
  select place.xid, place.id
  from (values (h.xid, h.event_id), (:xid::xid8, :id::bigint)) as place (xid, id)
  order by place.xid desc, place.id desc
  limit 1
) start
left join lateral (
  select *
  from job_events
  where (:account_id::uuid is null or account_id = :account_id)
    and (:job_ids::uuid[] is null or job_id = any(:job_ids))
    and (xid, id) > (start.xid, start.id)
    and xid < (select oldest from present)
  order by xid, id
  limit :batch
) e on true
order by e.xid, e.id
