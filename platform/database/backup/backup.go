// Package backup makes, checks and restores logical backups: a dump by pg_dump of some schemas and of the history of migrations, a
// manifest of what was in the database at the snapshot of that dump, and the checksums of both, as sha256sum writes them. It knows no
// table but the history.
package backup
