DROP INDEX CONCURRENTLY IF EXISTS users.idx_outbox_not_mail;
