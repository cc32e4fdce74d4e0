SET LOCAL lock_timeout = '5s';

ALTER TABLE users.users DROP CONSTRAINT IF EXISTS "CK_users_role";
