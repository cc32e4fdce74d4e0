package application

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// ChangeKind says what a Change is about.
type ChangeKind string

// The kinds of changes.
const (
	UserChanged  ChangeKind = "user_changed"
	SessionEnded ChangeKind = "session_ended"
)

// Change tells instances that what they remember of a user or a session may be old.
type Change struct {
	ID      uuid.UUID
	Kind    ChangeKind
	Subject uuid.UUID // the user or the session
}

// Moment is a point between commits, as the database tells them apart. It is not for comparing.
type Moment string

// Changes is what instances tell each other.
type Changes interface {
	// Announce tells of what the sender has changed, in the transaction that does it.
	Announce(ctx context.Context, sender uuid.UUID, now time.Time, changes []Change) error
	// Moment returns the one of now.
	Moment(ctx context.Context) (Moment, error)
	// Since returns the changes of all senders but one that were committed after a moment, in whatever order they were begun, and the
	// moment up to which it has looked: who goes on from there gets each change once. Those are missing that were removed meanwhile.
	Since(ctx context.Context, moment Moment, without uuid.UUID) ([]Change, Moment, error)
}

// Instance is the name of this process among those that share the database. It is safe for concurrent use.
type Instance struct {
	newID func() uuid.UUID
	id    atomic.Pointer[uuid.UUID]
}

// NewInstance returns an instance with a name of its own.
func NewInstance(newID func() uuid.UUID) *Instance {
	i := &Instance{newID: newID}
	i.Rename()
	return i
}

// ID returns the name.
func (i *Instance) ID() uuid.UUID { return *i.id.Load() }

// Rename takes another name. What was announced under the old one then comes back as a change of somebody else.
func (i *Instance) Rename() {
	id := i.newID()
	i.id.Store(&id)
}

// announce tells other instances what to forget, in the transaction of ctx.
func (s *Service) announce(ctx context.Context, after effects) error {
	var changes []Change
	add := func(kind ChangeKind, subjects []uuid.UUID) {
		for _, subject := range subjects {
			changes = append(changes, Change{ID: s.NewID(), Kind: kind, Subject: subject})
		}
	}
	add(UserChanged, after.users)
	add(SessionEnded, after.sessions)
	if len(changes) == 0 {
		return nil
	}
	return s.Changes.Announce(ctx, s.Instance.ID(), s.Now(), changes)
}

const (
	// followEvery is how often an instance looks for changes of others: it is as long, and a little more, that it may serve what is old.
	followEvery = 250 * time.Millisecond
	// followTimeout bounds one look.
	followTimeout = 2 * time.Second
	// followGap is how long the last look may be ago. It is well below ChangeRetention.
	followGap = ChangeRetention / 3
	// ChangeRetention is how long changes are kept at least.
	ChangeRetention = 15 * time.Minute
)

// Follower makes the cache of this instance forget what other instances have changed.
type Follower struct {
	changes  Changes
	cache    Cache
	instance *Instance
	now      func() time.Time
	logger   *slog.Logger

	moment Moment // empty: changes may have been missed
	looked atomic.Pointer[time.Time]
}

// NewFollower returns a follower that does nothing until Run.
func NewFollower(changes Changes, cache Cache, instance *Instance, now func() time.Time, logger *slog.Logger) *Follower {
	f := &Follower{changes: changes, cache: cache, instance: instance, now: now, logger: logger}
	f.looked.Store(new(now()))
	return f
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	broken := false
	for {
		err := f.Look(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !broken {
			f.logger.WarnContext(ctx, "changes of other instances cannot be read, what is cached may be old", slog.Any("error", err))
		}
		broken = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look forgets what others have changed since the last look. After one that failed, or that is too long ago, it forgets everything.
// It is for one goroutine.
func (f *Follower) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	begun := f.now()
	// A clock that was set back says nothing of how long ago it is.
	if age := begun.Sub(*f.looked.Load()); age < 0 || age > followGap {
		f.moment = ""
	}
	err := f.catchUp(ctx)
	if err != nil {
		f.moment = ""
		return err
	}
	f.looked.Store(&begun)
	return nil
}

func (f *Follower) catchUp(ctx context.Context) error {
	if f.moment == "" {
		moment, err := f.changes.Moment(ctx)
		if err != nil {
			return err
		}
		f.cache.ForgetAll() // once the moment is known: what is read from now on is of it, or later
		f.moment = moment
		return nil
	}
	changes, moment, err := f.changes.Since(ctx, f.moment, f.instance.ID())
	if err != nil {
		return err
	}
	for _, change := range changes {
		switch change.Kind {
		case UserChanged:
			f.cache.ForgetUser(change.Subject)
		case SessionEnded:
			f.cache.ForgetSession(change.Subject)
		}
	}
	f.moment = moment
	return nil
}

// Lag returns how long ago the last look began that succeeded: what others changed before it is not served any more.
func (f *Follower) Lag() time.Duration { return f.now().Sub(*f.looked.Load()) }
