-- The account of an organisation of Salad, and the key that its webhooks carry, unless that was revoked: asked by every request
-- with Salad's credentials.
select a.id as account_id, a.organization_id, k.id as key_id
from accounts a
left join api_keys k on k.id = a.webhook_key_id and k.account_id = a.id and k.revoked_at is null
where a.organization = :organization
