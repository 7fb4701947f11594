-- From now on this rule acts on the group that its provider has, unless another one does, of whatever account.
update scaling_rules r
set group_identity = :group_identity::text
where r.turn = :turn::uuid
  and not exists (
    select from scaling_rules other
    where other.group_identity = :group_identity::text and other.turn is distinct from :turn::uuid
  )
returning r.container_group_id
