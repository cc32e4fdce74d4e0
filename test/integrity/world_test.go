package integrity

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// world is what all clients share.
type world struct {
	t        *testing.T
	db       *dbtest.DB
	programs []*program.Program
	mailDir  string
	council  map[string]string // IDs of its members

	mu      sync.Mutex
	secrets map[string]bool // every token and password that a client has seen
	opened  map[string]bool // files of mails that were read
	mails   []mailed
	crowd   []*contested          // the addresses of this scene
	known   map[string]*contested // those of all scenes, by their canonical form
}

// mailed is a token and the address it was sent to.
type mailed struct{ to, token string }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, db: dbtest.Empty(t), mailDir: t.TempDir(), council: map[string]string{},
		secrets: map[string]bool{}, opened: map[string]bool{}, known: map[string]*contested{},
	}
	for range 2 {
		w.programs = append(w.programs, w.launch())
	}
	for _, p := range w.programs {
		p.AwaitReady()
	}
	return w
}

func (w *world) launch() *program.Program {
	w.t.Helper()
	return program.Launch(w.t, "OPS_ADDR=off", "DATABASE_URL="+w.db.DSN, "MAIL_DIR="+w.mailDir, "CACHE_MAX_MB=0", "ACCESS_TOKEN_TTL=24h",
		"BOOTSTRAP_ADMIN_EMAIL="+council[0], "BOOTSTRAP_ADMIN_PASSWORD="+seatPassword)
}

// close stops the programs, which must not have met a fault.
func (w *world) close() {
	w.t.Helper()
	for _, p := range w.programs {
		require.Zero(w.t, p.Stop(syscall.SIGTERM))
		require.Empty(w.t, p.Faults())
	}
}

// keep remembers what must not be found in the database.
func (w *world) keep(secrets ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, secret := range secrets {
		w.secrets[secret] = true
	}
}

var (
	recipient   = regexp.MustCompile(`(?m)^To: <(.+)>$`)
	linkedToken = regexp.MustCompile(`/verify-email\?token=([A-Za-z0-9_-]{43,})`)
)

// post returns every token that was mailed so far, oldest first.
func (w *world) post() ([]mailed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	files, err := filepath.Glob(filepath.Join(w.mailDir, "*.eml"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if w.opened[file] {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		w.opened[file] = true
		to, link := recipient.FindSubmatch(raw), linkedToken.FindSubmatch(raw)
		if to != nil && link != nil {
			w.mails = append(w.mails, mailed{string(to[1]), string(link[1])})
			w.secrets[string(link[1])] = true
		}
	}
	return slices.Clip(w.mails), nil
}
