-- Which of these keys may still be used, by the database's clock (rule 13).
select id
from api_keys
where id = any(:ids::uuid[])
  and revoked_at is null
  and (expires_at is null or expires_at > clock_timestamp())
