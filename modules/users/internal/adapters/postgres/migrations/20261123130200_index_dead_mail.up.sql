DROP INDEX CONCURRENTLY IF EXISTS users.idx_outbox_dead;
--bun:split
CREATE INDEX CONCURRENTLY idx_outbox_dead ON users.outbox (dead_at) WHERE dead_at IS NOT NULL;
