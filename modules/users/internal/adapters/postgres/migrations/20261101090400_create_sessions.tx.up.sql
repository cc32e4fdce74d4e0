SET LOCAL lock_timeout = '5s';

CREATE TABLE IF NOT EXISTS users.sessions (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  token_hash bytea NOT NULL,
  previous_hash bytea,
  exchanged_at timestamp,
  created_at timestamp NOT NULL,
  expires_at timestamp NOT NULL,
  ended_at timestamp,
  end_reason varchar(40),
  CONSTRAINT "PK_sessions" PRIMARY KEY (id),
  CONSTRAINT "FK_sessions_user" FOREIGN KEY (user_id) REFERENCES users.users (id) ON DELETE CASCADE
);

CREATE INDEX IF NOT EXISTS idx_sessions_user ON users.sessions (user_id) WHERE ended_at IS NULL;
