SET LOCAL lock_timeout = '5s';

ALTER TABLE users.users
  DROP COLUMN IF EXISTS deactivation_reason,
  DROP COLUMN IF EXISTS deactivated_by,
  DROP COLUMN IF EXISTS deactivated_at,
  DROP COLUMN IF EXISTS version;
