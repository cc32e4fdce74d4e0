package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tickr/tickr/platform/database"
)

const (
	// subjects are how many accounts are read, renamed and changed.
	subjects = 10

	tagPrefix   = "load-"
	emailSuffix = "@load.test"
)

// witness sees every write of a load that is executed, in the transaction of the write: it shares its fate. Logins and the like,
// which raise no version, are not looked at.
var witness = []string{
	"CREATE SCHEMA IF NOT EXISTS load",
	"CREATE TABLE IF NOT EXISTS load.seen (tag text NOT NULL, user_id uuid NOT NULL)",
	`CREATE OR REPLACE FUNCTION load.see() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF TG_OP = 'INSERT' OR NEW.version <> OLD.version THEN
			INSERT INTO load.seen VALUES (NEW.first_name, NEW.id);
		END IF;
		RETURN NULL;
	END $$`,
	`CREATE OR REPLACE TRIGGER load_see AFTER INSERT OR UPDATE ON users.users
		FOR EACH ROW WHEN (NEW.first_name LIKE '` + tagPrefix + `%') EXECUTE FUNCTION load.see()`,
}

// addSubjects adds verified accounts that have the administrator's password.
const addSubjects = `
INSERT INTO users.users (email, first_name, last_name, email_verified, password_hash)
SELECT $1 || n || $2, 'Subject', n::text, true, password_hash FROM users.users, generate_series(1, $3) n WHERE email = $4`

// prepare adds the witness, if it is not there, and the subjects, and logs them and the administrator in.
func (l *Load) prepare(ctx context.Context, db *database.Handle) error {
	for _, statement := range witness {
		if _, err := db.Pool().Exec(ctx, statement); err != nil {
			return fmt.Errorf("add the witness: %w", err)
		}
	}
	if _, err := db.Pool().Exec(ctx, addSubjects, l.run+"subject-", emailSuffix, subjects, l.o.Email); err != nil {
		return fmt.Errorf("add subjects: %w", err)
	}
	var err error
	if _, l.admin, err = l.logIn(l.o.Email); err != nil {
		return err
	}
	l.renamed, l.changed = make(chan *subject, subjects), make(chan *subject, subjects)
	for n := range subjects {
		id, token, err := l.logIn(fmt.Sprintf("%ssubject-%d%s", l.run, n+1, emailSuffix))
		if err != nil {
			return err
		}
		s := &subject{id: id, token: token}
		l.crowd = append(l.crowd, s)
		if n%2 == 0 {
			l.renamed <- s
		} else {
			l.changed <- s
		}
	}
	return nil
}

// logIn asks again for as long as the program has no time for it: it belongs to the preparation, whatever else the machine does.
func (l *Load) logIn(email string) (id, token string, err error) {
	var a answer
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if err := l.exchange(&a, "", "POST", "/api/auth/login", object{"email": email, "password": l.o.Password}, nil); err != nil {
			return "", "", fmt.Errorf("log in: %w", err)
		}
		if a.Status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			break
		}
	}
	if a.Status != http.StatusOK {
		return "", "", fmt.Errorf("log in: %s", a.Outcome())
	}
	var said struct {
		AccessToken string
		User        struct{ ID string }
	}
	if err := json.Unmarshal(a.body, &said); err != nil {
		return "", "", fmt.Errorf("log in: %w", err)
	}
	return said.User.ID, said.AccessToken, nil
}

// Verdict counts the writes that are not in the database as they were answered.
type Verdict struct {
	Lost      int // acknowledged, and not there
	Phantom   int // there, and sent by nobody
	Duplicate int // executed twice
}

// Check compares the logs of all loads that a database has seen with what it holds. It waits until the database can be asked.
func Check(t testing.TB, db *database.Handle, logs ...Log) Verdict {
	t.Helper()
	seen, err := collect(t.Context(), db, "SELECT tag, user_id::text FROM load.seen")
	if err != nil {
		t.Fatalf("ask the witness: %v", err)
	}
	there, err := collect(t.Context(), db, "SELECT id::text, id::text FROM users.users WHERE email LIKE '%"+emailSuffix+"'")
	if err != nil {
		t.Fatalf("look for the accounts: %v", err)
	}
	return judge(slices.Concat(logs...), seen, there)
}

// judge compares a log with the accounts that the witness saw each write change, and with those that are there.
func judge(log Log, seen, there map[string][]string) Verdict {
	var v Verdict
	sent := map[string]bool{}
	for _, e := range log.Writes() {
		sent[e.Tag] = true
		changed := seen[e.Tag]
		switch {
		case len(changed) > 1,
			// Nobody else has the address, nobody else changes the account: the write was in its own way.
			e.Kind == kindCreate && e.Status == http.StatusConflict,
			e.Kind == kindChange && e.Status == http.StatusPreconditionFailed && !e.Unsure:
			v.Duplicate++
		case e.OK() && (len(changed) == 0 || changed[0] != e.ID || there[e.ID] == nil):
			v.Lost++
		}
	}
	for tag, changed := range seen {
		if len(changed) > 0 && !sent[tag] {
			v.Phantom++
		}
	}
	return v
}

// collect reads pairs of texts, by the first.
func collect(ctx context.Context, db *database.Handle, query string) (map[string][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	rows, err := db.Pool().Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string][]string{}
	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return nil, err
		}
		found[key] = append(found[key], value)
	}
	return found, rows.Err()
}
