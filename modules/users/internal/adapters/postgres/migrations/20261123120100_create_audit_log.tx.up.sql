SET LOCAL lock_timeout = '5s';

-- No foreign keys: what was done to an account is known for longer than the account. The program makes a partition for each month
-- ahead of it; what belongs to a month without one waits in the default partition.
CREATE TABLE IF NOT EXISTS users.audit_log (
  id uuid NOT NULL,
  created_at timestamp NOT NULL,
  actor_id uuid,
  act varchar(40) NOT NULL,
  subject_id uuid,
  outcome varchar(20) NOT NULL,
  address inet,
  user_agent varchar(255),
  details jsonb NOT NULL,
  CONSTRAINT "PK_audit_log" PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);

CREATE INDEX IF NOT EXISTS idx_audit_log_subject ON users.audit_log (subject_id, created_at DESC, id DESC);

CREATE TABLE IF NOT EXISTS users.audit_log_default PARTITION OF users.audit_log DEFAULT;
