SET LOCAL lock_timeout = '5s';

-- What was asked for by naming an address belongs to no account yet; some messages go to another address than the account's.
ALTER TABLE users.outbox
  ALTER COLUMN user_id DROP NOT NULL,
  ADD COLUMN IF NOT EXISTS sealed_to bytea;
