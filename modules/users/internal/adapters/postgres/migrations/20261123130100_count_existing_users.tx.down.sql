-- down: the counts are right without it being undone
SET LOCAL lock_timeout = '5s';
