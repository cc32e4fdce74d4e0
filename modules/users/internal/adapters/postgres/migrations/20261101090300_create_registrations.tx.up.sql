SET LOCAL lock_timeout = '5s';

CREATE TABLE IF NOT EXISTS users.registrations (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  token_hash bytea NOT NULL,
  password_hash varchar(255) NOT NULL,
  first_name varchar(100) NOT NULL,
  last_name varchar(100) NOT NULL,
  phone varchar(20),
  created_at timestamp NOT NULL,
  expires_at timestamp NOT NULL,
  CONSTRAINT "PK_registrations" PRIMARY KEY (id),
  CONSTRAINT "UQ_registrations_token_hash" UNIQUE (token_hash),
  CONSTRAINT "FK_registrations_user" FOREIGN KEY (user_id) REFERENCES users.users (id) ON DELETE CASCADE
);

CREATE INDEX IF NOT EXISTS idx_registrations_user ON users.registrations (user_id, created_at DESC);
