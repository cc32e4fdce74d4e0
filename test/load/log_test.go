package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var log Log
	for i := range 200 {
		e := Entry{Kind: "me", Sent: begin.Add(time.Duration(i) * time.Second), Took: time.Duration(200-i) * time.Millisecond, Status: 200}
		if i%2 == 1 {
			e.Kind, e.Tag, e.Status = kindCreate, "load-x", 201
		}
		if i == 120 {
			e.Status, e.Code = 503, "unavailable"
		}
		log = append(log, e)
	}
	require.Equal(t, 198*time.Millisecond, log.P99())
	require.Equal(t, 200*time.Millisecond, log.Longest())
	require.Equal(t, map[string]int{"200": 99, "201": 100, "503 unavailable": 1}, log.Outcomes())
	require.Len(t, log.Reads(), 100)
	require.Len(t, log.Writes(), 100)
	require.Len(t, log.Sent(begin.Add(time.Second), begin.Add(3*time.Second)), 2)
	require.Equal(t, 20*time.Second, log.Recovery(begin.Add(100*time.Second)))
	require.Zero(t, log.Recovery(begin.Add(121*time.Second)))
	require.Equal(t, "200 requests, 99 × 200, 100 × 201, 1 × 503 unavailable, p99 198ms, longest 200ms", log.String())
	require.Equal(t, "0 requests, p99 0s, longest 0s", Log{}.String())
}

func TestMixIsEven(t *testing.T) {
	t.Parallel()
	for _, writesOfHundred := range []int{0, 1, 40, 99, 100} {
		count := 0
		for i, next := range mix(writesOfHundred) {
			if next.write {
				count++
			}
			require.InDelta(t, float64((i+1)*writesOfHundred)/100, count, 1)
		}
		require.Equal(t, writesOfHundred, count)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	const tag = "load-1"
	there := map[string][]string{"a": {"a"}}
	for name, test := range map[string]struct {
		entry Entry
		seen  []string
		want  Verdict
	}{
		"acknowledged and seen":          {Entry{Kind: kindCreate, Status: 201, ID: "a"}, []string{"a"}, Verdict{}},
		"acknowledged, never seen":       {Entry{Kind: kindCreate, Status: 201, ID: "a"}, nil, Verdict{Lost: 1}},
		"acknowledged, seen elsewhere":   {Entry{Kind: "rename", Status: 200, ID: "a"}, []string{"b"}, Verdict{Lost: 1}},
		"acknowledged, seen, then gone":  {Entry{Kind: kindCreate, Status: 201, ID: "b"}, []string{"b"}, Verdict{Lost: 1}},
		"acknowledged, seen twice":       {Entry{Kind: "rename", Status: 200, ID: "a"}, []string{"a", "a"}, Verdict{Duplicate: 1}},
		"refused, never seen":            {Entry{Kind: "rename", Status: 503}, nil, Verdict{}},
		"refused, and seen":              {Entry{Kind: "rename", Status: 503}, []string{"a"}, Verdict{}},
		"no answer, seen twice":          {Entry{Kind: "rename"}, []string{"a", "a"}, Verdict{Duplicate: 1}},
		"in its own way":                 {Entry{Kind: kindCreate, Status: 409}, []string{"a"}, Verdict{Duplicate: 1}},
		"stale by itself":                {Entry{Kind: kindChange, Status: 412}, []string{"a"}, Verdict{Duplicate: 1}},
		"stale by one that came through": {Entry{Kind: kindChange, Status: 412, Unsure: true}, nil, Verdict{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.entry.Tag = tag
			require.Equal(t, test.want, judge(Log{test.entry}, map[string][]string{tag: test.seen}, there))
		})
	}
	require.Equal(t, Verdict{Phantom: 1}, judge(nil, map[string][]string{tag: {"a"}}, there))
}
