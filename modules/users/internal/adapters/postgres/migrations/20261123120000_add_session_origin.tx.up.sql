SET LOCAL lock_timeout = '5s';

ALTER TABLE users.sessions
  ADD COLUMN IF NOT EXISTS address inet,
  ADD COLUMN IF NOT EXISTS user_agent varchar(255);
