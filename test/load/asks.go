package load

import (
	"net/http"
	"strconv"
)

// subject is an account. It is its owner who renames it, or an administrator who changes it; never both.
type subject struct {
	id, token string
	etag      string // of the version that the last change made; empty when that is not known
	// unsure says that a write which its client was told had failed may still be under way in the database.
	unsure bool
}

// ask is something to ask for. A read is about any subject.
type ask struct {
	write bool
	do    func(l *Load, s *subject)
	// idle is where the write finds a subject that nobody else writes to meanwhile; nil when it needs none.
	idle func(l *Load) chan *subject
}

var (
	reads  = []ask{{do: (*Load).me}, {do: (*Load).user}, {do: (*Load).list}}
	writes = []ask{
		{write: true, do: (*Load).create},
		{write: true, do: (*Load).rename, idle: func(l *Load) chan *subject { return l.renamed }},
		{write: true, do: (*Load).change, idle: func(l *Load) chan *subject { return l.changed }},
	}
)

// mix returns a hundred things to ask for, so many of them writes, evenly spread.
func mix(writesOfHundred int) []ask {
	asks, read, wrote := make([]ask, 100), 0, 0
	for i := range asks {
		if (i+1)*writesOfHundred/100 > wrote {
			asks[i] = writes[wrote%len(writes)]
			wrote++
		} else {
			asks[i] = reads[read%len(reads)]
			read++
		}
	}
	return asks
}

// one asks for the next thing. A write that finds no subject, because all wait for answers, is one that needs none.
func (l *Load) one() {
	l.mu.Lock()
	n := l.asked
	l.asked++
	l.mu.Unlock()
	next := l.asks[n%len(l.asks)]
	if next.idle == nil {
		next.do(l, l.crowd[n%len(l.crowd)])
		return
	}
	idle := next.idle(l)
	select {
	case s := <-idle:
		next.do(l, s)
		idle <- s
	default:
		l.create(nil)
	}
}

// tag is a first name that no other write gives.
func (l *Load) tag() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tagged++
	return l.run + strconv.Itoa(l.tagged)
}

func (l *Load) me(s *subject) {
	l.send(Entry{Kind: "me"}, s.token, "GET", "/api/users/me", nil)
}

func (l *Load) user(s *subject) {
	l.send(Entry{Kind: "user"}, l.admin, "GET", "/api/users/"+s.id, nil)
}

// list asks for accounts that are new: to count all takes longer the more there are.
func (l *Load) list(*subject) {
	l.send(Entry{Kind: "list"}, l.admin, "GET", "/api/users?limit=5&createdFrom="+l.began, nil)
}

type object map[string]string

// create makes an account with an address that nobody has.
func (l *Load) create(*subject) {
	tag := l.tag()
	l.send(Entry{Kind: kindCreate, Tag: tag}, l.admin, "POST", "/api/users",
		object{"email": tag + emailSuffix, "firstName": tag, "lastName": "Load"})
}

// rename replaces the subject's own profile.
func (l *Load) rename(s *subject) {
	tag := l.tag()
	s.note(l.send(Entry{Kind: "rename", Tag: tag, Unsure: s.unsure}, s.token, "PUT", "/api/users/me",
		object{"firstName": tag, "lastName": "Load"}))
}

// change changes the version that the last change made.
func (l *Load) change(s *subject) {
	if s.etag == "" {
		read := l.send(Entry{Kind: "user"}, l.admin, "GET", "/api/users/"+s.id, nil)
		if read.Status != http.StatusOK {
			return
		}
		s.etag = read.etag
	}
	tag := l.tag()
	s.note(l.send(Entry{Kind: kindChange, Tag: tag, Unsure: s.unsure}, l.admin, "PATCH", "/api/users/"+s.id,
		object{"firstName": tag}, "If-Match", s.etag))
}

// note keeps what is known after a write. Rows are locked, so one that succeeds comes after all those before it.
func (s *subject) note(write answer) {
	s.unsure, s.etag = !write.OK(), ""
	if write.OK() {
		s.etag = write.etag
	}
}
