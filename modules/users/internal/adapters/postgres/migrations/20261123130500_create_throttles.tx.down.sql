SET LOCAL lock_timeout = '5s';

DROP TABLE IF EXISTS users.trusted_origins;

DROP TABLE IF EXISTS users.throttles;
