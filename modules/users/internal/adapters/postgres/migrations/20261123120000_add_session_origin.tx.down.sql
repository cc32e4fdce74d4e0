SET LOCAL lock_timeout = '5s';

ALTER TABLE users.sessions
  DROP COLUMN IF EXISTS user_agent,
  DROP COLUMN IF EXISTS address;
