SET LOCAL lock_timeout = '5s';

CREATE SCHEMA IF NOT EXISTS sibling;

CREATE TABLE sibling.registrations (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event varchar(100) NOT NULL,
  user_id uuid NOT NULL,
  CONSTRAINT fk_registrations_user FOREIGN KEY (user_id) REFERENCES users.users (id) ON DELETE RESTRICT
);

CREATE INDEX idx_registrations_user ON sibling.registrations (user_id);
