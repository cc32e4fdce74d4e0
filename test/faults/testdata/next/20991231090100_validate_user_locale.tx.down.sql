SET LOCAL lock_timeout = '5s';

-- down: rows that were checked stay as they are, and so does the constraint
