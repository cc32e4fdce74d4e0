SET LOCAL lock_timeout = '5s';

ALTER TABLE users.users DROP COLUMN locale;
