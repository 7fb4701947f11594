-- Jobs as they are now, for those who watch them: many at once, often, and only to be shown.
select * from jobs where id = any(:ids::uuid[])
