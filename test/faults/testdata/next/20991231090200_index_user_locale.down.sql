DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_locale;
