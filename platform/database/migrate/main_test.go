package migrate_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/database/migrate"
)

// The test binary runs itself as another process: with these variables it migrates up and exits.
const (
	childDSN = "MIGRATE_TEST_DSN"
	childSet = "MIGRATE_TEST_SET"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childDSN); dsn != "" {
		if err := up(dsn, childSets[os.Getenv(childSet)]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	dbtest.Main(m)
}

func up(dsn string, set fstest.MapFS) error {
	m, err := migrate.New(dsn, set)
	if err != nil {
		return err
	}
	_, err = m.Up(context.Background())
	return err
}

// child returns a process that migrates dsn up to one of childSets.
func child(t *testing.T, dsn, set string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childDSN+"="+dsn, childSet+"="+set)
	return cmd
}

// files makes a file system of names and contents.
func files(namesAndContents ...string) fstest.MapFS {
	set := fstest.MapFS{}
	for i := 0; i < len(namesAndContents); i += 2 {
		set["sql/"+namesAndContents[i]] = &fstest.MapFile{Data: []byte(namesAndContents[i+1])}
	}
	return set
}

func join(sets ...fstest.MapFS) fstest.MapFS {
	all := fstest.MapFS{}
	for _, set := range sets {
		maps.Copy(all, set)
	}
	return all
}

var (
	// shop makes a table, and a log in which a migration that runs twice would show.
	shop = files(
		"20260101000000_create_shop.tx.up.sql", `
			CREATE SCHEMA IF NOT EXISTS shop;
			CREATE TABLE shop.log (migration int NOT NULL);
			CREATE TABLE shop.items (id int CONSTRAINT "PK_items" PRIMARY KEY, name text NOT NULL DEFAULT 'new');
			INSERT INTO shop.log VALUES (1);`,
		"20260101000000_create_shop.tx.down.sql", `DROP SCHEMA shop CASCADE;`)
	prices = files(
		"20260102000000_add_price.tx.up.sql", `
			ALTER TABLE shop.items ADD price int CONSTRAINT "CK_items_price" CHECK (price > 0);
			INSERT INTO shop.log VALUES (2);`,
		"20260102000000_add_price.tx.down.sql", `
			ALTER TABLE shop.items DROP price;
			DELETE FROM shop.log WHERE migration = 2;`)
	index = files(
		"20260103000000_index_price.up.sql", `
DROP INDEX CONCURRENTLY IF EXISTS shop.idx_items_price;
--bun:split
CREATE INDEX CONCURRENTLY idx_items_price ON shop.items (price);
--bun:split
INSERT INTO shop.log VALUES (3);`,
		"20260103000000_index_price.down.sql", `
DROP INDEX CONCURRENTLY IF EXISTS shop.idx_items_price;
--bun:split
DELETE FROM shop.log WHERE migration = 3;`)

	childSets = map[string]fstest.MapFS{
		"all": join(shop, prices, index, files( // begins slowly, so that all processes meet there
			"20251231000000_wait.tx.up.sql", `SELECT pg_sleep(0.5); CREATE SCHEMA waited`,
			"20251231000000_wait.tx.down.sql", `DROP SCHEMA waited`)),
		"slow": join(shop, files(
			"20260102000000_add_price.tx.up.sql", `ALTER TABLE shop.items ADD price int; SELECT pg_sleep(60);`,
			"20260102000000_add_price.tx.down.sql", ``)),
		// Whoever updates the history after the migration hangs.
		"slow history": join(shop, files(
			"20260102000000_hang.tx.up.sql", `
				CREATE FUNCTION shop.hang() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
				CREATE TRIGGER hang BEFORE UPDATE ON public.bun_migrations FOR EACH ROW EXECUTE FUNCTION shop.hang();`,
			"20260102000000_hang.tx.down.sql", `DROP FUNCTION shop.hang CASCADE`)),
	}
)
