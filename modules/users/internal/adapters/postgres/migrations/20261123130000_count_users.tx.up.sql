SET LOCAL lock_timeout = '5s';

-- Numbers of accounts, to be summed. A transaction adds to a row that no other one holds, or makes one: it never waits here.
CREATE TABLE IF NOT EXISTS users.user_counts (
  id bigint GENERATED ALWAYS AS IDENTITY,
  role varchar(20) NOT NULL,
  is_active boolean NOT NULL,
  n bigint NOT NULL,
  CONSTRAINT "PK_user_counts" PRIMARY KEY (id)
) WITH (fillfactor = 50);

CREATE OR REPLACE FUNCTION users.add_to_user_counts(of_role varchar, of_active boolean, added bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE users.user_counts SET n = n + added WHERE id = (
    SELECT id FROM users.user_counts WHERE role = of_role AND is_active = of_active LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
  IF NOT FOUND THEN
    INSERT INTO users.user_counts (role, is_active, n) VALUES (of_role, of_active, added);
  END IF;
END $$;

-- Once a statement, so that one that changes many accounts costs little more.
CREATE OR REPLACE FUNCTION users.count_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  CASE TG_OP
  WHEN 'INSERT' THEN
    PERFORM users.add_to_user_counts(role, is_active, n) FROM (
      SELECT role, is_active, count(*) AS n FROM after GROUP BY role, is_active) AS change;
  WHEN 'UPDATE' THEN
    PERFORM users.add_to_user_counts(role, is_active, n) FROM (
      SELECT role, is_active, sum(one) AS n FROM (
        SELECT role, is_active, 1 AS one FROM after UNION ALL SELECT role, is_active, -1 FROM before) AS moved
      GROUP BY role, is_active HAVING sum(one) <> 0) AS change;
  WHEN 'DELETE' THEN
    PERFORM users.add_to_user_counts(role, is_active, n) FROM (
      SELECT role, is_active, -count(*) AS n FROM before GROUP BY role, is_active) AS change;
  WHEN 'TRUNCATE' THEN
    DELETE FROM users.user_counts;
  END CASE;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER count_inserted AFTER INSERT ON users.users
  REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION users.count_users();
CREATE OR REPLACE TRIGGER count_updated AFTER UPDATE ON users.users
  REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION users.count_users();
CREATE OR REPLACE TRIGGER count_deleted AFTER DELETE ON users.users
  REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION users.count_users();
CREATE OR REPLACE TRIGGER count_truncated AFTER TRUNCATE ON users.users
  FOR EACH STATEMENT EXECUTE FUNCTION users.count_users();
