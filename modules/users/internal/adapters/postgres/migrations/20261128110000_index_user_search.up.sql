-- A trusted extension: who could create the schema can create it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_search;
--bun:split
-- Entries are collected, or it would tell by its time that a registration adds an account; few, as each search reads those collected.
CREATE INDEX CONCURRENTLY idx_users_search ON users.users
	USING gin (lower('ᛜᛜ' || first_name || 'ᛜᛜ' || last_name || 'ᛜᛜ' || email || 'ᛜᛜ' || coalesce(phone, '')) gin_trgm_ops) WITH (gin_pending_list_limit = 256);
--bun:split
-- Without it, the planner takes any search for one that finds many. Of an empty table it would learn to read all of it, for as long as
-- plans are kept.
-- hidden: it reads a sample of the table and blocks nobody
DO $$
BEGIN
	IF EXISTS (SELECT FROM users.users) THEN
		ANALYZE users.users;
	END IF;
END
$$;
