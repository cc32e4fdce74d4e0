SET LOCAL lock_timeout = '5s';

DROP TRIGGER IF EXISTS count_truncated ON users.users;
DROP TRIGGER IF EXISTS count_deleted ON users.users;
DROP TRIGGER IF EXISTS count_updated ON users.users;
DROP TRIGGER IF EXISTS count_inserted ON users.users;
DROP FUNCTION IF EXISTS users.count_users();
DROP FUNCTION IF EXISTS users.add_to_user_counts(varchar, boolean, bigint);
DROP TABLE IF EXISTS users.user_counts;
