SET LOCAL lock_timeout = '5s';

CREATE TABLE IF NOT EXISTS users.one_time_tokens (
  user_id uuid NOT NULL,
  purpose varchar(40) NOT NULL,
  token_hash bytea NOT NULL,
  email varchar(255) NOT NULL,
  target varchar(255),
  tries integer NOT NULL DEFAULT 0,
  created_at timestamp NOT NULL,
  expires_at timestamp NOT NULL,
  CONSTRAINT "PK_one_time_tokens" PRIMARY KEY (user_id, purpose),
  CONSTRAINT "UQ_one_time_tokens_token_hash" UNIQUE (token_hash),
  CONSTRAINT "FK_one_time_tokens_user" FOREIGN KEY (user_id) REFERENCES users.users (id) ON DELETE CASCADE
);

CREATE INDEX IF NOT EXISTS idx_one_time_tokens_expires_at ON users.one_time_tokens (expires_at);
