-- Which keys may still be used: neither revoked nor expired.
select id
from api_keys
where id = any(:ids::uuid[]) and revoked_at is null and (expires_at is null or expires_at > now())
