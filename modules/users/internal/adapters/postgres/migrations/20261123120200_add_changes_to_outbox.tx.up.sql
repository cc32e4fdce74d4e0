SET LOCAL lock_timeout = '5s';

-- Changes are never due: the previous release, which sends what is, passes over them.
ALTER TABLE users.outbox
  ADD COLUMN IF NOT EXISTS subject_id uuid,
  ADD COLUMN IF NOT EXISTS sender uuid,
  ADD COLUMN IF NOT EXISTS xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
  ALTER COLUMN user_id DROP NOT NULL,
  ALTER COLUMN due_at DROP NOT NULL;
