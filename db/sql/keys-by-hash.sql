-- The keys behind these hashes that may be used, by the database's clock (rule 13).
select id, hash, account_id, role
from api_keys
where hash = any(:hashes::text[])
  and revoked_at is null
  and (expires_at is null or expires_at > clock_timestamp())
