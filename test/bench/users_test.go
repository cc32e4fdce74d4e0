package bench

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/platform/database/dbtest"
)

const ownProfile = "/api/users/me"

func BenchmarkOwnProfile(b *testing.B) {
	db := dbtest.Empty(b)
	for _, way := range []struct {
		name   string
		cached bool
	}{{"cached", true}, {"uncached", false}} {
		p := start(b, db, way.cached)
		b.Run(way.name, func(b *testing.B) {
			for b.Loop() {
				p.get(b, ownProfile)
			}
		})
	}
}

// Both in turn, so that a busy machine slows both.
func BenchmarkOwnProfileSpeedup(b *testing.B) {
	db := dbtest.Empty(b)
	with, without := start(b, db, true), start(b, db, false)
	var cached, uncached time.Duration
	for b.Loop() {
		begin := time.Now()
		with.get(b, ownProfile)
		between := time.Now()
		without.get(b, ownProfile)
		cached, uncached = cached+between.Sub(begin), uncached+time.Since(between)
	}
	n := float64(b.N)
	b.ReportMetric(float64(cached.Nanoseconds())/n, "ns/cached")
	b.ReportMetric(float64(uncached.Nanoseconds())/n, "ns/uncached")
	b.ReportMetric(float64(uncached)/float64(cached), "uncached/cached")
}

// The same page of 20 among 9,000 participants, near the end.
func BenchmarkListByRole(b *testing.B) {
	db := dbtest.Empty(b)
	p := start(b, db, true)
	crowd(b, db)
	const query = "/api/users?role=PARTICIPANT&limit=20"
	var before struct{ Meta struct{ NextCursor string } }
	require.NoError(b, json.Unmarshal(p.get(b, query+"&page=399").Body.Bytes(), &before))
	for _, way := range []struct{ name, path string }{
		{"first", query}, {"offset", query + "&page=400"}, {"cursor", query + "&cursor=" + before.Meta.NextCursor},
	} {
		b.Run(way.name, func(b *testing.B) {
			for b.Loop() {
				p.get(b, way.path)
			}
		})
	}
}

func BenchmarkLogin(b *testing.B) {
	p := start(b, dbtest.Empty(b), true)
	for b.Loop() {
		p.logIn(b)
	}
}

// What a sibling pays: uncached, Get is one query of the repository by ID, and ByEmail always is one.
func BenchmarkDirectory(b *testing.B) {
	db := dbtest.Empty(b)
	with, without := start(b, db, true), start(b, db, false)
	admin, err := with.directory.ByEmail(b.Context(), adminEmail)
	require.NoError(b, err)
	get := func(d users.Directory) error {
		_, err := d.Get(b.Context(), admin.ID)
		return err
	}
	byEmail := func(d users.Directory) error {
		_, err := d.ByEmail(b.Context(), adminEmail)
		return err
	}
	for _, question := range []struct {
		name string
		ask  func(users.Directory) error
		of   users.Directory
	}{
		{"Get/cached", get, with.directory}, {"Get/uncached", get, without.directory}, {"ByEmail", byEmail, with.directory},
	} {
		b.Run(question.name, func(b *testing.B) {
			for b.Loop() {
				if err := question.ask(question.of); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
