SET LOCAL lock_timeout = '5s';

CREATE TABLE IF NOT EXISTS users.outbox (
  id uuid NOT NULL,
  kind varchar(40) NOT NULL,
  user_id uuid NOT NULL,
  sealed_token bytea,
  created_at timestamp NOT NULL,
  due_at timestamp NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  last_error varchar(500),
  dead_at timestamp,
  CONSTRAINT "PK_outbox" PRIMARY KEY (id),
  CONSTRAINT "FK_outbox_user" FOREIGN KEY (user_id) REFERENCES users.users (id) ON DELETE CASCADE
);

CREATE INDEX IF NOT EXISTS idx_outbox_due ON users.outbox (due_at, id) WHERE dead_at IS NULL;
