SET LOCAL lock_timeout = '5s';

-- Logged, as other tables: a crash of the server must not forgive anybody. A row is counted up in place: pages keep room for that.
CREATE TABLE IF NOT EXISTS users.throttles (
  key varchar(64) NOT NULL,
  used integer NOT NULL,
  most integer NOT NULL,
  resets_at timestamp NOT NULL,
  CONSTRAINT "PK_throttles" PRIMARY KEY (key)
) WITH (fillfactor = 70);

CREATE INDEX IF NOT EXISTS idx_throttles_resets_at ON users.throttles (resets_at);

CREATE TABLE IF NOT EXISTS users.trusted_origins (
  key varchar(64) NOT NULL,
  until timestamp NOT NULL,
  CONSTRAINT "PK_trusted_origins" PRIMARY KEY (key)
);

CREATE INDEX IF NOT EXISTS idx_trusted_origins_until ON users.trusted_origins (until);
