SET LOCAL lock_timeout = '5s';
ALTER TABLE users.users DROP CONSTRAINT IF EXISTS "UQ_users_email", DROP CONSTRAINT IF EXISTS "UQ_users_phone";
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users."UQ_users_email";
--bun:split
CREATE UNIQUE INDEX CONCURRENTLY "UQ_users_email" ON users.users (email);
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users."UQ_users_phone";
--bun:split
CREATE UNIQUE INDEX CONCURRENTLY "UQ_users_phone" ON users.users (phone);
--bun:split
SET LOCAL lock_timeout = '5s';
ALTER TABLE users.users
  ADD CONSTRAINT "UQ_users_email" UNIQUE USING INDEX "UQ_users_email",
  ADD CONSTRAINT "UQ_users_phone" UNIQUE USING INDEX "UQ_users_phone";
