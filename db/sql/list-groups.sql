-- Ids of the container groups that an account has jobs or agents of, in their order. From one id the index leads to the next one, so
-- that neither the history nor the fleet is read through.
with recursive groups as (
  (select next.id from (
     (select j.container_group_id as id from jobs j
      where j.account_id = :account_id and (:after::text is null or j.container_group_id > :after)
      order by j.container_group_id limit 1)
     union all
     (select g.container_group_id from agents g
      where g.account_id = :account_id and (:after::text is null or g.container_group_id > :after)
      order by g.container_group_id limit 1)
   ) next order by next.id limit 1)
  union all
  select next.id
  from groups
  cross join lateral (
    select id from (
      (select j.container_group_id as id from jobs j
       where j.account_id = :account_id and j.container_group_id > groups.id
       order by j.container_group_id limit 1)
      union all
      (select g.container_group_id from agents g
       where g.account_id = :account_id and g.container_group_id > groups.id
       order by g.container_group_id limit 1)
    ) either order by id limit 1
  ) next
)
select id from groups limit :limit
