DROP INDEX CONCURRENTLY IF EXISTS users.idx_outbox_due;
--bun:split
CREATE INDEX CONCURRENTLY idx_outbox_due ON users.outbox (due_at, id) WHERE dead_at IS NULL;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_outbox_mail;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_outbox_changes;
