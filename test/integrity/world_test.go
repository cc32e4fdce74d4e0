package integrity

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
)

// patience bounds every wait. Machines are shared: it is an upper bound, never an expectation.
const patience = 60 * time.Second

// world is what all clients share.
type world struct {
	t        *testing.T
	db       *dbtest.DB
	programs []*program
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
	binary := filepath.Join(t.TempDir(), "tickr")
	said, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/tickr/tickr/cmd/tickr").CombinedOutput()
	require.NoError(t, err, "%s", said)
	for range 2 {
		w.programs = append(w.programs, w.launch(binary))
	}
	for _, p := range w.programs {
		p.awaitReady(t)
	}
	return w
}

// program is a running `tickr serve`.
type program struct {
	cmd  *exec.Cmd
	logs output
	api  string
	done chan struct{}
	err  error // how it ended
}

// faults are the errors it logged.
func (p *program) faults() []string {
	var found []string
	for line := range strings.Lines(p.logs.String()) {
		if strings.Contains(line, `"level":"ERROR"`) {
			found = append(found, line)
		}
	}
	return found
}

// output is what a program prints, while it does.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (w *world) launch(binary string) *program {
	w.t.Helper()
	p := &program{cmd: exec.Command(binary, "serve"), done: make(chan struct{})}
	p.cmd.Dir = w.t.TempDir()
	p.cmd.Env = []string{
		"HTTP_ADDR=127.0.0.1:0", "OPS_ADDR=off", "DATABASE_URL=" + w.db.DSN, "MAIL_DIR=" + w.mailDir, "LOG_FORMAT=json",
		"CACHE_MAX_MB=0", "ACCESS_TOKEN_TTL=24h", "BOOTSTRAP_ADMIN_EMAIL=" + council[0], "BOOTSTRAP_ADMIN_PASSWORD=" + seatPassword,
	}
	p.cmd.Stderr = &p.logs
	require.NoError(w.t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	w.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if w.t.Failed() {
			w.t.Logf("faults of the program: %v", p.faults())
		}
	})
	return p
}

func (p *program) awaitReady(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		for line := range strings.Lines(p.logs.String()) {
			var record struct{ Msg, API string }
			if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "ready" {
				p.api = record.API
			}
		}
		return p.api != ""
	}, patience, 20*time.Millisecond, "the program does not get ready")
}

// close stops the programs, which must not have met a fault.
func (w *world) close() {
	w.t.Helper()
	for _, p := range w.programs {
		require.NoError(w.t, p.cmd.Process.Signal(syscall.SIGTERM))
		<-p.done
		require.NoError(w.t, p.err)
		require.Empty(w.t, p.faults())
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
