SET LOCAL lock_timeout = '5s';

-- The release before can hand none of them over.
DELETE FROM users.outbox WHERE user_id IS NULL OR sealed_to IS NOT NULL;

ALTER TABLE users.outbox
  DROP COLUMN IF EXISTS sealed_to,
  ALTER COLUMN user_id SET NOT NULL;
