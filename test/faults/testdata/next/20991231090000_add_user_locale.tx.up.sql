SET LOCAL lock_timeout = '5s';

ALTER TABLE users.users
  ADD COLUMN locale varchar(35) NOT NULL DEFAULT 'fr',
  ADD CONSTRAINT "CK_users_locale" CHECK (locale <> '') NOT VALID;
