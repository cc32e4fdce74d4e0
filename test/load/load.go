// Package load asks a running program for things, at a rate or as fast as a number of clients can, and keeps a log of every request:
// what was sent, when, and what was acknowledged. Check compares the log with the database: every acknowledged write is there, once,
// and no write is there that nobody sent. The program may be killed meanwhile, or its database: that is what it is for.
package load

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tickr/tickr/platform/database"
)

// Options says who asks, how often and for what.
type Options struct {
	// API is where the program answers, or a balancer in front of it: http://host:port.
	API string
	// Email and Password are an administrator's.
	Email, Password string
	// Rate is how many requests are sent a second, whatever becomes of those before them. 0: each of Clients sends its next request
	// when its last was answered.
	Rate, Clients int
	// Writes is how many of a hundred requests are writes; 0 for reads only.
	Writes int
}

// patience is when a client gives up. The program should long have answered.
const patience = 15 * time.Second

// Load is asking until Stop.
type Load struct {
	o      Options
	run    string // what all its tags begin with
	began  string // as RFC 3339 has it
	client *http.Client
	admin  string // access token
	asks   []ask
	crowd  []*subject
	// Those that no write is under way for.
	renamed, changed chan *subject
	quit             chan struct{}
	paced            sync.WaitGroup // what sends
	sent             sync.WaitGroup // requests under way

	mu            sync.Mutex
	asked, tagged int
	log           Log
}

// Start adds accounts and the witness of Check to the database db, which the program has migrated, logs in, and begins to ask. It
// ends with the test at the latest.
func Start(t testing.TB, db *database.Handle, o Options) *Load {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := make([]byte, 4)
	_, _ = rand.Read(run) // never fails
	l := &Load{
		o: o, run: tagPrefix + hex.EncodeToString(run) + "-", began: time.Now().UTC().Format(time.RFC3339), quit: make(chan struct{}), asks: mix(o.Writes),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}},
	}
	if err := l.prepare(ctx, db); err != nil {
		t.Fatalf("prepare the load: %v", err)
	}
	if o.Rate > 0 {
		l.paced.Go(l.pace)
	}
	for range o.Clients {
		l.paced.Go(func() {
			for !l.stopped() {
				l.one()
			}
		})
	}
	t.Cleanup(func() { l.Stop() })
	return l
}

// pace sends requests at the rate. Ticks that were missed, because the machine is busy, are made up for.
func (l *Load) pace() {
	begin := time.Now()
	for n := 0; !l.stopped(); {
		due := int(time.Since(begin).Seconds() * float64(l.o.Rate))
		for ; n < due; n++ {
			l.sent.Go(l.one)
		}
		time.Sleep(time.Second / time.Duration(4*l.o.Rate))
	}
}

func (l *Load) stopped() bool {
	select {
	case <-l.quit:
		return true
	default:
		return false
	}
}

// Stop sends nothing more, waits for the answers under way and returns the log, in the order of the answers.
func (l *Load) Stop() Log {
	if !l.stopped() {
		close(l.quit)
	}
	l.paced.Wait()
	l.sent.Wait()
	l.client.CloseIdleConnections()
	return l.Log()
}

// Log returns what was answered so far.
func (l *Load) Log() Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(Log(nil), l.log...)
}

// answer is what came back.
type answer struct {
	Entry

	etag string
	body []byte
}

// send asks for the one thing that e is about and notes it. headers come in pairs.
func (l *Load) send(e Entry, token, method, path string, body any, headers ...string) answer {
	e.Sent = time.Now()
	a := answer{Entry: e}
	if err := l.exchange(&a, token, method, path, body, headers); err != nil {
		a.Status, a.Code = 0, cause(err).Error()
	}
	a.Took = time.Since(a.Sent)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = append(l.log, a.Entry)
	return a
}

// cause is what an error comes down to, without addresses: it can be counted.
func cause(err error) error {
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return err
}

func (l *Load) exchange(a *answer, token, method, path string, body any, headers []string) error {
	var content io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, l.o.API+path, content)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := l.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return err
	}
	a.Status, a.etag = response.StatusCode, response.Header.Get("ETag")
	var said struct{ ID, Code string }
	if err := json.Unmarshal(a.body, &said); err == nil {
		a.ID, a.Code = said.ID, said.Code
	}
	return nil
}
