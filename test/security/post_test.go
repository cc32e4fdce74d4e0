package security

import (
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// post reads the mails and text messages that the instances have captured, each once.
type post struct {
	dir string

	mu     sync.Mutex
	opened map[string]bool
	found  map[string][]string // tokens by address and the path of their link, codes by number; the oldest first
}

func newPost(dir string) *post {
	return &post{dir: dir, opened: map[string]bool{}, found: map[string][]string{}}
}

var (
	mailedLink = regexp.MustCompile(`(?ms)^To: <([^>]+)>$.*(/[a-z-]+)\?token=([A-Za-z0-9_-]{43,})`)
	textedCode = regexp.MustCompile(`^To: (\+\d+)\n\n(\d{6})`)
)

// read returns what was sent so far.
func (p *post) read(key string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	files, err := filepath.Glob(filepath.Join(p.dir, "*", "[^.]*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if p.opened[file] {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		p.opened[file] = true
		if mail := mailedLink.FindStringSubmatch(string(raw)); mail != nil {
			p.found[mail[1]+mail[2]] = append(p.found[mail[1]+mail[2]], mail[3])
		}
		if text := textedCode.FindStringSubmatch(string(raw)); text != nil {
			p.found[text[1]] = append(p.found[text[1]], text[2])
		}
	}
	return p.found[key], nil
}

// sent waits for the nth secret that was sent under a key: an address and the path of a link ("ana@example.com/reset-password"), or a
// number in E.164, and returns it.
func (r *rig) sent(key string, n int) string {
	r.t.Helper()
	var all []string
	require.Eventually(r.t, func() bool {
		var err error
		all, err = r.post.read(key)
		require.NoError(r.t, err)
		return len(all) >= n
	}, program.Patience, 5*time.Millisecond, "nothing was sent: %s", key)
	return all[n-1]
}
