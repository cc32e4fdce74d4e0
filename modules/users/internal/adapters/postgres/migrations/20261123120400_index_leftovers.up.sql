DROP INDEX CONCURRENTLY IF EXISTS users.idx_sessions_over;
--bun:split
CREATE INDEX CONCURRENTLY idx_sessions_over ON users.sessions (coalesce(ended_at, expires_at));
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_registrations_expires;
--bun:split
CREATE INDEX CONCURRENTLY idx_registrations_expires ON users.registrations (expires_at);
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_unverified;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_unverified ON users.users (created_at, id)
  WHERE NOT email_verified AND is_active AND password_hash IS NULL AND role = 'PARTICIPANT';
