SET LOCAL lock_timeout = '5s';

CREATE TABLE users.notes (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  text varchar(500) NOT NULL,
  CONSTRAINT "PK_notes" PRIMARY KEY (id),
  CONSTRAINT "FK_notes_user" FOREIGN KEY (user_id) REFERENCES users.users (id) ON DELETE CASCADE
);
