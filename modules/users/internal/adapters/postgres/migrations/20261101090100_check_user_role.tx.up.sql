SET LOCAL lock_timeout = '5s';

ALTER TABLE users.users
  DROP CONSTRAINT IF EXISTS "CK_users_role",
  ADD CONSTRAINT "CK_users_role" CHECK (role IN ('PARTICIPANT', 'ORGANIZER', 'ADMIN')) NOT VALID;
