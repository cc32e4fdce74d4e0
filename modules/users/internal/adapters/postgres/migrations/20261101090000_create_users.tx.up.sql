SET LOCAL lock_timeout = '5s';

CREATE SCHEMA IF NOT EXISTS users;

CREATE TABLE IF NOT EXISTS users.users (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  email varchar(255) NOT NULL,
  phone varchar(20),
  password_hash varchar(255),
  first_name varchar(100) NOT NULL,
  last_name varchar(100) NOT NULL,
  role varchar(20) NOT NULL DEFAULT 'PARTICIPANT',
  is_organizer boolean NOT NULL DEFAULT false,
  email_verified boolean NOT NULL DEFAULT false,
  phone_verified boolean NOT NULL DEFAULT false,
  is_active boolean NOT NULL DEFAULT true,
  last_login_at timestamp,
  created_at timestamp NOT NULL DEFAULT now(),
  updated_at timestamp NOT NULL DEFAULT now(),
  CONSTRAINT "PK_users" PRIMARY KEY (id),
  CONSTRAINT "UQ_users_email" UNIQUE (email),
  CONSTRAINT "UQ_users_phone" UNIQUE (phone)
);

CREATE INDEX IF NOT EXISTS idx_users_email ON users.users (email);
CREATE INDEX IF NOT EXISTS idx_users_phone ON users.users (phone) WHERE phone IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_users_role ON users.users (role);
CREATE INDEX IF NOT EXISTS idx_users_active_role ON users.users (is_active, role);
CREATE INDEX IF NOT EXISTS idx_users_created_at ON users.users (created_at DESC);
