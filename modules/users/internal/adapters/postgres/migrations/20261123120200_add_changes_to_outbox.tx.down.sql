SET LOCAL lock_timeout = '5s';

DELETE FROM users.outbox WHERE due_at IS NULL;
ALTER TABLE users.outbox
  ALTER COLUMN due_at SET NOT NULL,
  DROP COLUMN IF EXISTS xact,
  DROP COLUMN IF EXISTS sender,
  DROP COLUMN IF EXISTS subject_id;
