SET LOCAL lock_timeout = '5s';

ALTER TABLE users.users VALIDATE CONSTRAINT "CK_users_locale";
