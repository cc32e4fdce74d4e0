package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tickr/tickr/platform/database/embedded"
)

const (
	// receiver is the name of the replication slot, and of the standby that commits wait for.
	receiver = "tickr_receive"

	connectPeriod = 200 * time.Millisecond
	prunePeriod   = 10 * time.Second
)

// Receive streams the WAL of the private PostgreSQL into its archive folder until ctx ends. It calls ready once every commit waits
// for its WAL to be on disk there, too: what is acknowledged from then on survives the loss of the data folder, whatever the archive
// has. When Receive ends, commits wait no longer. When it is killed they wait until it runs again: that is the price.
//
// It fails with ErrOff where there is no archive, and when the server goes away.
func Receive(ctx context.Context, o embedded.Options, ready func()) error {
	var p private
	err := withServer(ctx, o, embedded.Attach, func(ctx context.Context, on private, conn *pgx.Conn) error {
		if err := on.exists(); err != nil {
			return err
		}
		p = on
		return p.receive(ctx, o, conn, ready)
	})
	if _, gone := os.Stat(p.Data); p.Data == "" || gone != nil {
		return err
	}
	// With a connection of its own: the server may have stopped, and the commits of the next one would wait for nobody.
	return errors.Join(err, withServer(context.WithoutCancel(ctx), o, embedded.Attach, func(ctx context.Context, _ private, conn *pgx.Conn) error {
		return release(ctx, conn)
	}))
}

func (p private) receive(ctx context.Context, o embedded.Options, conn *pgx.Conn, ready func()) error {
	var version int
	var archiving string
	const sql = "SELECT current_setting('server_version_num')::int, current_setting('archive_mode')"
	if err := conn.QueryRow(ctx, sql).Scan(&version, &archiving); err != nil {
		return fmt.Errorf("ask the server what it is: %w", err)
	}
	// A server that was set up anew where another was lost: what was received of that is still needed.
	if archiving != "on" {
		return ErrOff
	}
	dir, err := embedded.Clients(ctx, o.BinDir, version/10000, "pg_receivewal")
	if err != nil {
		return err
	}
	if err := p.reserve(ctx, conn); err != nil {
		return err
	}
	receiving, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := p.Command(receiving, filepath.Join(dir, "pg_receivewal"),
		"--directory="+p.received(), "--slot="+receiver, "--synchronous", "--no-loop", "--no-password")
	cmd.Env = append(append(cmd.Env, p.login(conn)...), "PGAPPNAME="+receiver)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run pg_receivewal: %w", err)
	}
	following := make(chan error, 1)
	go func() {
		defer cancel()
		following <- p.follow(receiving, conn, ready)
	}()
	err = cmd.Wait()
	cancel()
	failed := <-following
	switch {
	case ctx.Err() != nil:
		return nil
	case !errors.Is(failed, context.Canceled):
		return failed
	default:
		return fmt.Errorf("pg_receivewal ended by itself, as when the server stops: %w", err)
	}
}

// reserve makes the server keep what was not received. A new slot begins a new stream: what an earlier one has left is in the
// archive, or on its way there.
func (p private) reserve(ctx context.Context, conn *pgx.Conn) error {
	var kept bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)", receiver).Scan(&kept); err != nil {
		return fmt.Errorf("look for the replication slot: %w", err)
	}
	if kept {
		return nil
	}
	if err := os.RemoveAll(p.received()); err != nil {
		return fmt.Errorf("remove what was received before: %w", err)
	}
	if err := p.MakeDir(p.received()); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_create_physical_replication_slot($1, true)", receiver); err != nil {
		return fmt.Errorf("create the replication slot: %w", err)
	}
	return nil
}

// follow makes commits wait once all is being received, and then removes what the archive has, until ctx ends.
func (p private) follow(ctx context.Context, conn *pgx.Conn, ready func()) error {
	streaming := func(states string) error {
		return until(ctx, conn, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = $1 AND "+states+")")
	}
	if err := streaming("state = 'streaming'"); err != nil {
		return err
	}
	if err := alter(ctx, conn, []setting{{"synchronous_standby_names", receiver}}); err != nil {
		return err
	}
	if err := streaming("sync_state = 'sync'"); err != nil {
		return err
	}
	ready()
	for wait(ctx, prunePeriod) {
		if err := p.prune(ctx, conn); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// until waits until a condition on the receiver holds.
func until(ctx context.Context, conn *pgx.Conn, condition string) error {
	for holds := false; !holds; {
		if err := conn.QueryRow(ctx, condition, receiver).Scan(&holds); err != nil {
			return fmt.Errorf("look at the stream: %w", err)
		}
		if !holds && !wait(ctx, connectPeriod) {
			return ctx.Err()
		}
	}
	return nil
}

var segment = regexp.MustCompile(`^[0-9A-F]{24}$`)

// prune removes the received segments that have arrived in the archive, and keeps the last complete one: the stream goes on there.
func (p private) prune(ctx context.Context, conn *pgx.Conn) error {
	var archived *string
	if err := conn.QueryRow(ctx, "SELECT last_archived_wal FROM pg_stat_archiver").Scan(&archived); err != nil {
		return fmt.Errorf("ask what was archived: %w", err)
	}
	if archived == nil || !segment.MatchString(*archived) {
		return nil
	}
	files, err := os.ReadDir(p.received()) // in the order of their names, which is that of the WAL
	if err != nil {
		return fmt.Errorf("look at what was received: %w", err)
	}
	var complete []string
	for _, file := range files {
		if segment.MatchString(file.Name()) {
			complete = append(complete, file.Name())
		}
	}
	for _, name := range complete[:max(0, len(complete)-1)] {
		if name > *archived {
			break
		}
		if err := os.Remove(filepath.Join(p.received(), name)); err != nil {
			return fmt.Errorf("remove what is archived: %w", err)
		}
	}
	return nil
}

// release lets commits go on without the receiver, and the server forget what it kept for it.
func release(ctx context.Context, conn *pgx.Conn) error {
	if err := alter(ctx, conn, []setting{{name: "synchronous_standby_names"}}); err != nil {
		return err
	}
	const sql = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active"
	if _, err := conn.Exec(ctx, sql, receiver); err != nil {
		return fmt.Errorf("drop the replication slot: %w", err)
	}
	return nil
}

// wait reports whether d has passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
