package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"
)

// Create backs the database up into dir, which is made if it is not there, and returns the backup. Dump and manifest tell of one
// moment, whatever is written meanwhile; nobody waits for a backup but those who change tables. The files appear when they are
// complete and on disk. Any number of processes may back up into the same folder.
func (d Database) Create(ctx context.Context, dir string, kind Kind) (_ Backup, err error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return Backup{}, err
	}
	defer closeConn(conn)
	t, err := d.tools(ctx, conn)
	if err != nil {
		return Backup{}, err
	}
	draft, err := newDraft(ctx, dir, strings.Join(d.Schemas, "-"))
	if err != nil {
		return Backup{}, err
	}
	defer func() { err = errors.Join(err, draft.discard()) }()

	m := Manifest{Kind: kind, StartedAt: draft.at, Program: d.Program}
	// The snapshot lives as long as this transaction.
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return Backup{}, fmt.Errorf("begin transaction: %w", err)
	}
	var snapshot string
	const export = "SELECT pg_export_snapshot(), current_setting('server_version')"
	if err := tx.QueryRow(ctx, export).Scan(&snapshot, &m.Server); err != nil {
		return Backup{}, fmt.Errorf("export snapshot: %w", err)
	}
	if err := d.present(ctx, tx); err != nil {
		return Backup{}, err
	}
	if m.Migrations, err = texts(ctx, tx, "read migration history", "SELECT name FROM public."+history()[0]+" ORDER BY id"); err != nil {
		return Backup{}, err
	}
	if err := m.inventory(ctx, tx, d.Schemas); err != nil {
		return Backup{}, err
	}
	foreign, err := texts(ctx, tx, "list tables of others", foreignQuery, history())
	if err != nil {
		return Backup{}, err
	}
	if err := t.dump(ctx, m.dump(draft.base()), &m, snapshot, foreign); err != nil {
		return Backup{}, err
	}
	m.FinishedAt = time.Now().UTC().Truncate(time.Millisecond)
	if err := m.seal(draft.base()); err != nil {
		return Backup{}, err
	}
	if err := draft.publish(m); err != nil {
		return Backup{}, err
	}
	return Backup{Name: draft.name, At: draft.at.Truncate(time.Second), Manifest: m, dir: dir}, nil
}

// present makes sure that there is something to back up.
func (d Database) present(ctx context.Context, tx pgx.Tx) error {
	var migrated bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass('public.'||$1) IS NOT NULL", history()[0]).Scan(&migrated); err != nil {
		return fmt.Errorf("look for the migration history: %w", err)
	}
	found, err := texts(ctx, tx, "look for schemas", "SELECT nspname::text FROM pg_namespace WHERE nspname = ANY ($1)", d.Schemas)
	if err != nil {
		return err
	}
	if !migrated || len(found) < len(d.Schemas) {
		return errors.New("there is nothing to back up: the database was never migrated")
	}
	return nil
}

func texts(ctx context.Context, tx pgx.Tx, what, query string, args ...any) ([]string, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return found, nil
}

// foreignQuery lists what in schema public is not the history's.
const foreignQuery = `
	SELECT format('public.%I', relname) FROM pg_class AS c
	WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relname <> ALL ($1) AND NOT EXISTS (
		SELECT FROM pg_depend AS d JOIN pg_class AS owner ON owner.oid = d.refobjid
		WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND owner.relname = ANY ($1))
	ORDER BY relname`

// dump writes the dump to path and notes its kind, size and checksum in m. pg_dump prints it, so that it ends when we are killed.
func (t *tools) dump(ctx context.Context, path string, m *Manifest, snapshot string, foreign []string) error {
	args := []string{"--format=custom", "--snapshot=" + snapshot, "--no-password", "--lock-wait-timeout=10000", "--schema=public"}
	for _, schema := range m.Schemas {
		args = append(args, "--schema="+pgx.Identifier{schema}.Sanitize())
	}
	// Options that name tables would leave out what else is in the schemas, such as functions.
	for _, name := range foreign {
		args = append(args, "--exclude-table="+name)
	}
	archive := func(w io.Writer) error { return t.read(ctx, w, "", "pg_dump", args...) }
	if m.Kind == Custom {
		return m.write(path, archive)
	}
	unread := Manifest{}
	if err := unread.write(path+".archive", archive); err != nil {
		return err
	}
	return m.write(path, func(w io.Writer) error { return t.script(ctx, path+".archive", m.Schemas, w) })
}

// write makes a dump on disk of what content writes.
func (m *Manifest) write(path string, content func(w io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write dump: %w", err)
	}
	sum := sha256.New()
	err = content(io.MultiWriter(file, sum))
	stat, statErr := file.Stat()
	if err := errors.Join(err, statErr, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write dump: %w", err)
	}
	m.Size, m.SHA256 = stat.Size(), hex.EncodeToString(sum.Sum(nil))
	return nil
}

// draft is a backup that nobody sees yet, in a folder of its own.
type draft struct {
	dir, name string
	at        time.Time
	lock      *flock.Flock // shared by all drafts in dir
}

const draftSuffix = ".unfinished"

// newDraft makes room for a backup named after the present second, or the next one that nobody has.
func newDraft(ctx context.Context, dir, prefix string) (*draft, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of backups: %w", err)
	}
	d := &draft{dir: dir, lock: flock.New(filepath.Join(dir, ".lock"))}
	if err := d.sweep(); err != nil {
		return nil, fmt.Errorf("remove unfinished backups: %w", err)
	}
	if _, err := d.lock.TryRLockContext(ctx, namePoll); err != nil {
		return nil, fmt.Errorf("lock folder of backups: %w", err)
	}
	for {
		d.at = time.Now().UTC().Truncate(time.Millisecond)
		d.name = prefix + "-" + d.at.Format(stamp)
		free, err := d.claim()
		if err == nil && free {
			return d, nil
		}
		if err == nil {
			err = pause(ctx, namePoll)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("name a backup: %w", err), d.lock.Unlock())
		}
	}
}

const namePoll = 100 * time.Millisecond

// claim makes the folder of the draft, unless the name is taken by another draft or by a backup.
func (d *draft) claim() (free bool, err error) {
	err = os.Mkdir(d.folder(), 0o700)
	if errors.Is(err, os.ErrExist) {
		return false, nil
	}
	taken := slices.ContainsFunc(extensions, func(ext string) bool {
		_, err := os.Lstat(filepath.Join(d.dir, d.name) + ext)
		return err == nil
	})
	if err != nil || !taken {
		return err == nil, err
	}
	return false, os.Remove(d.folder())
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (d *draft) folder() string { return filepath.Join(d.dir, "."+d.name+draftSuffix) }

func (d *draft) base() string { return filepath.Join(d.folder(), d.name) }

// sweep removes what killed processes left, unless another draft is being made.
func (d *draft) sweep() error {
	alone, err := d.lock.TryLock()
	if err != nil || !alone {
		return err
	}
	left, err := os.ReadDir(d.dir)
	for _, entry := range left {
		if strings.HasSuffix(entry.Name(), draftSuffix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(d.dir, entry.Name())))
		}
	}
	return errors.Join(err, d.lock.Unlock())
}

// publish lets the files of a sealed backup appear. It is one from the last rename on.
func (d *draft) publish(m Manifest) error {
	final := filepath.Join(d.dir, d.name)
	files := []string{filepath.Ext(m.dump(final)), manifestExt, sumsExt}
	for i, ext := range files {
		if i == len(files)-1 {
			if err := syncFolder(d.dir); err != nil {
				return err
			}
		}
		if err := os.Rename(d.base()+ext, final+ext); err != nil {
			return fmt.Errorf("publish backup: %w", err)
		}
	}
	return syncFolder(d.dir)
}

// discard removes what is left of a draft.
func (d *draft) discard() error {
	if err := errors.Join(os.RemoveAll(d.folder()), d.lock.Unlock()); err != nil {
		return fmt.Errorf("remove unfinished backup: %w", err)
	}
	return nil
}

func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write folder of backups: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("write folder of backups: %w", err)
	}
	return nil
}
