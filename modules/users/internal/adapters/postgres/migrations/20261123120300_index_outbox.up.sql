DROP INDEX CONCURRENTLY IF EXISTS users.idx_outbox_changes;
--bun:split
CREATE INDEX CONCURRENTLY idx_outbox_changes ON users.outbox (xact) WHERE due_at IS NULL;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_outbox_mail;
--bun:split
CREATE INDEX CONCURRENTLY idx_outbox_mail ON users.outbox (due_at, id) WHERE dead_at IS NULL AND due_at IS NOT NULL;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_outbox_due;
