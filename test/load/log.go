package load

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	kindCreate = "create"
	kindChange = "change"
)

// Entry is one request and what became of it.
type Entry struct {
	Kind string // what was asked for: me, user, list, create, rename or change
	Tag  string // of a write: the first name it gives, which no other write does
	// Unsure says of a write that one before it on the same account was not acknowledged and may come through still.
	Unsure bool
	Sent   time.Time
	Took   time.Duration
	Status int    // 0: there was no answer
	Code   string // of a problem; why there was no answer
	ID     string // of the account that was answered
}

// OK reports whether the request was acknowledged.
func (e Entry) OK() bool { return e.Status >= http.StatusOK && e.Status < http.StatusMultipleChoices }

// Overtaken reports whether a write was refused because one before it, which was not acknowledged, came through after all.
func (e Entry) Overtaken() bool {
	return e.Kind == kindChange && e.Status == http.StatusPreconditionFailed && e.Unsure
}

// Outcome is the status, and the code of a problem: "200", "503 unavailable".
func (e Entry) Outcome() string { return strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, e.Code)) }

// Log is requests in the order of their answers.
type Log []Entry

// Where returns the entries that are so.
func (l Log) Where(so func(Entry) bool) Log {
	return slices.DeleteFunc(slices.Clone(l), func(e Entry) bool { return !so(e) })
}

// Sent returns what was sent from one time on and before another.
func (l Log) Sent(from, to time.Time) Log {
	return l.Where(func(e Entry) bool { return !e.Sent.Before(from) && e.Sent.Before(to) })
}

// Reads returns the requests that change nothing.
func (l Log) Reads() Log { return l.Where(func(e Entry) bool { return e.Tag == "" }) }

// Writes returns the requests that change something.
func (l Log) Writes() Log { return l.Where(func(e Entry) bool { return e.Tag != "" }) }

// Failed returns the requests that were not acknowledged.
func (l Log) Failed() Log { return l.Where(func(e Entry) bool { return !e.OK() }) }

// Outcomes counts the entries by their outcome.
func (l Log) Outcomes() map[string]int {
	counts := map[string]int{}
	for _, e := range l {
		counts[e.Outcome()]++
	}
	return counts
}

// P99 is the time within which 99 of a hundred requests were answered.
func (l Log) P99() time.Duration { return l.quantile(99) }

// Longest is the time within which all requests were answered.
func (l Log) Longest() time.Duration { return l.quantile(100) }

func (l Log) quantile(ofHundred int) time.Duration {
	if len(l) == 0 {
		return 0
	}
	took := make([]time.Duration, len(l))
	for i, e := range l {
		took[i] = e.Took
	}
	slices.Sort(took)
	return took[(len(took)*ofHundred+99)/100-1]
}

// Recovery is how long after a time, at which the fault had ended, the last request was sent that failed; 0 when none did.
func (l Log) Recovery(ended time.Time) time.Duration {
	last := time.Duration(0)
	for _, e := range l.Failed() {
		last = max(last, e.Sent.Sub(ended))
	}
	return last
}

// String is the report: how many requests, their outcomes and times.
func (l Log) String() string {
	counts := l.Outcomes()
	said := []string{fmt.Sprintf("%d requests", len(l))}
	for _, outcome := range slices.Sorted(maps.Keys(counts)) {
		said = append(said, fmt.Sprintf("%d × %s", counts[outcome], outcome))
	}
	return fmt.Sprintf("%s, p99 %v, longest %v", strings.Join(said, ", "), l.P99().Round(time.Millisecond), l.Longest().Round(time.Millisecond))
}
