DROP INDEX CONCURRENTLY IF EXISTS users.idx_outbox_not_mail;
--bun:split
CREATE INDEX CONCURRENTLY idx_outbox_not_mail ON users.outbox (due_at, id)
	WHERE dead_at IS NULL AND due_at IS NOT NULL AND kind IN ('asked_reset', 'asked_verification', 'phone_code');
