-- UQ_users_email and UQ_users_phone serve the same lookups meanwhile.
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_phone;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_phone ON users.users (phone) WHERE phone IS NOT NULL;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_email;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_email ON users.users (email);
