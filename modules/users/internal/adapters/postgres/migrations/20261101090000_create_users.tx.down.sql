SET LOCAL lock_timeout = '5s';

DROP TABLE IF EXISTS users.users;
DROP SCHEMA IF EXISTS users;
