package postgres

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/platform/database/inspect"
)

// onlyInserts is why a statement needs no index.
const onlyInserts = "adds a row and looks for none"

// Catalogue returns every statement that the repositories send, with arguments that find the rows of the sample. The texts are the
// repositories' own, caught on their way out; nothing runs.
func Catalogue(sample Sample) []inspect.Statement {
	recorded := new(recorder)
	ctx, r, sent := context.Background(), NewRepositories(recorded.db()), recorded.sent

	now, yesterday, text := sample.Now, sample.Now.AddDate(0, 0, -1), "text"
	user, session, registration, token, message := sample.User, sample.Session, sample.Registration, sample.Token, sample.Message
	id, email, phone := user.ID, user.Email, *cmp.Or(user.Phone, &text)
	added, attempt, begun, queued := user, registration, session, message // what is not there yet
	added.ID, added.Email, added.Phone = sample.NewID, sample.NewID.String()+"@example.com", nil
	attempt.ID, attempt.UserID, attempt.TokenHash, attempt.Phone = sample.NewID, id, domain.HashToken(sample.NewID.String()), nil
	reachable := attempt
	reachable.Phone = &phone
	begun.ID, begun.UserID, queued.ID, queued.UserID = sample.NewID, id, sample.NewID, id
	asked := queued
	asked.Kind, asked.UserID, asked.SealedTo = application.AskedReset, uuid.Nil, []byte(text)
	issued := token
	issued.UserID, issued.TokenHash, issued.Target = id, domain.HashToken(sample.NewID.String()), nil
	code := issued
	code.Target, code.Tries = &phone, 1

	withUsers := func(write func(context.Context, *domain.User) error, like domain.State) []inspect.Query {
		for _, state := range accounts(like, now) {
			_ = write(ctx, domain.Restore(state))
		}
		return sent()
	}
	withSessions := func(write func(context.Context, *domain.Session) error, like domain.SessionState) []inspect.Query {
		for _, state := range sessions(like, now) {
			_ = write(ctx, domain.RestoreSession(state))
		}
		return sent()
	}
	acts := func() []inspect.Query {
		for _, e := range entries(sample) {
			_ = r.Audit.Append(ctx, e)
		}
		return sent()
	}
	limited := func(use func([]application.Limit)) []inspect.Query {
		for n := 1; n <= 3; n++ { // as many as the use cases name at once
			limits := []application.Limit{sample.Limit, {Key: sample.Limit.Key + " 2"}, {Key: sample.Limit.Key + " 3"}}
			use(limits[:n])
		}
		return sent()
	}
	leases := func() []inspect.Query {
		for _, lane := range []application.Lane{application.LaneMails, application.LaneTexts, application.LaneAsked} {
			_, _ = r.Outbox.Lease(ctx, lane, now, now)
		}
		return sent()
	}
	const limit = application.DefaultLimit + 1
	unused := func() []inspect.Query {
		for _, after := range []*application.Cursor{nil, {CreatedAt: yesterday}} {
			_, _ = r.Leftovers.Unverified(ctx, now, now, limit, after)
		}
		return sent()
	}
	trail := func() []inspect.Query {
		for _, after := range []*application.Cursor{nil, {CreatedAt: now, ID: id}} {
			_, _ = r.Audit.OfSubject(ctx, id, limit, after)
		}
		return sent()
	}
	listIn := func(order application.Order, total int64, filters ...application.Filter) {
		after := order.PlaceOf(domain.Restore(user).View())
		for _, f := range filters {
			for _, page := range []application.Page{{Limit: limit}, {Limit: limit, Offset: limit}, {Limit: limit, After: &after}} {
				page.Order, page.Total = order, total
				_, _ = r.Users.List(ctx, f, page)
			}
		}
	}
	list := func(filters ...application.Filter) []inspect.Query {
		listIn(application.NewestFirst, 0, filters...)
		return sent()
	}
	listBy := func(key application.SortKey, filters ...application.Filter) []inspect.Query {
		listIn(application.Order{By: key}, 0, filters...)
		listIn(application.Order{By: key, Descending: true}, 0, filters...)
		return sent()
	}
	count := func(filters []application.Filter) []inspect.Query {
		for _, f := range filters {
			_, _ = r.Users.Count(ctx, f)
		}
		return sent()
	}
	untimed, until := conditions(nil, nil), conditions(nil, &now)
	since := append(conditions(&yesterday, nil), conditions(&yesterday, &now)...)
	word, initial := domain.Word{Text: email}, domain.Word{Text: email[:2], Initial: true}
	searches := []application.Filter{
		{Search: domain.Search{word}}, {Search: domain.Search{word, initial}, IsActive: new(true)}, {Search: domain.Search{{Text: "co", Initial: true}}},
	}
	search := func(total int64) []inspect.Query {
		listIn(application.NewestFirst, total, searches...)
		return sent()
	}
	yes, few, fewest, most := true, users.Organizer, users.Admin, users.Participant

	return []inspect.Statement{
		{Name: "Users.Insert", Purpose: "add an account", Reason: onlyInserts, Queries: withUsers(r.Users.Insert, added)},
		{Name: "Users.InsertIfNew", Purpose: "register an address", Reason: onlyInserts, Queries: withUsers(r.Users.InsertIfNew, added)},
		{Name: "Users.Save", Purpose: "store a locked account", Indexes: []string{"PK_users"}, Queries: withUsers(r.Users.Save, user)},
		{Name: "Users.ByID", Purpose: "mail an account", Indexes: []string{"PK_users"}, Queries: sent(r.Users.ByID(ctx, id))},
		{Name: "Users.ByEmail", Purpose: "log in", Indexes: []string{"idx_users_email"}, Queries: sent(r.Users.ByEmail(ctx, email))},
		{Name: "Users.ByPhone", Purpose: "log in by number", Indexes: []string{"idx_users_phone"}, Queries: sent(r.Users.ByPhone(ctx, phone))},
		{Name: "Users.ByIDs", Purpose: "show accounts that are not cached", Indexes: []string{"PK_users"},
			Queries: sent(r.Users.ByIDs(ctx, []users.ID{id, {}}))},
		{Name: "Users.LockByID", Purpose: "change an account", Indexes: []string{"PK_users"}, Queries: sent(r.Users.LockByID(ctx, id))},
		{Name: "Users.LockByEmail", Purpose: "register or reset an address", Indexes: []string{"idx_users_email"},
			Queries: sent(r.Users.LockByEmail(ctx, email))},
		{Name: "Users.LockByPhone", Purpose: "take a number from its holder", Indexes: []string{"idx_users_phone"},
			Queries: sent(r.Users.LockByPhone(ctx, phone))},
		{Name: "Users.List", Purpose: "list accounts, newest first", Indexes: []string{"idx_users_created_at"},
			Queries: list(application.Filter{}, application.Filter{IsActive: &yes})},
		{Name: "Users.List of few", Purpose: "list organizers or administrators", Indexes: []string{"idx_users_role"},
			Queries: list(application.Filter{Role: &few}, application.Filter{Role: &few, IsActive: &yes},
				application.Filter{Role: &fewest}, application.Filter{Role: &fewest, IsActive: &yes})},
		// Nearly every account is one: to pass over the others costs little.
		{Name: "Users.List of most", Purpose: "list participants", Indexes: []string{"idx_users_created_at", "idx_users_role"},
			Queries: list(application.Filter{Role: &most}, application.Filter{Role: &most, IsActive: &yes})},
		{Name: "Users.List by conditions", Purpose: "search the list", Indexes: []string{"idx_users_created_at", "idx_users_role", "idx_users_active_role"},
			Queries: list(slices.Concat(untimed, since, until)...)},
		{Name: "Users.List oldest first", Purpose: "list accounts by age", Indexes: []string{"idx_users_created_at"},
			Queries: listBy(application.SortByCreation, application.Filter{}, application.Filter{IsActive: &yes})},
		{Name: "Users.List by last login", Purpose: "list accounts by use", Indexes: []string{"idx_users_last_login"},
			Queries: listBy(application.SortByLastLogin, application.Filter{}, application.Filter{IsActive: &yes})},
		{Name: "Users.List by e-mail", Purpose: "list accounts by address", Indexes: []string{"idx_users_email"},
			Queries: listBy(application.SortByEmail, application.Filter{}, application.Filter{IsActive: &yes})},
		{Name: "Users.List by name", Purpose: "list accounts by name", Indexes: []string{"idx_users_last_name"},
			Queries: listBy(application.SortByLastName, application.Filter{}, application.Filter{IsActive: &yes})},
		{Name: "Users.List of a search", Purpose: "find accounts by what is known of them", Indexes: []string{"idx_users_search"}, Queries: search(1)},
		{Name: "Users.List of a frequent search", Purpose: "find accounts by what many have", Indexes: []string{"idx_users_created_at", "idx_users_search"},
			Queries: search(application.MaxFound)},
		{Name: "Users.Count", Purpose: "say how long a list is", Indexes: []string{"idx_users_active_role", "idx_users_role"},
			Queries: count(untimed)},
		{Name: "Users.Count since a time", Purpose: "say how long the list of a day is",
			Indexes: []string{"idx_users_created_at", "idx_users_role", "idx_users_active_role"},
			Queries: count(since)},
		{Name: "Users.Count until a time", Purpose: "say how long a list of older accounts is",
			Reason: "is most of the table by conditions that no index holds together", Queries: count(until)},
		{Name: "Users.Count of a search", Purpose: "say how many are found", Indexes: []string{"idx_users_search"}, Queries: count(searches)},
		{Name: "Users.Stats by role", Purpose: "count accounts", Reason: "sums all of a table of some dozen rows",
			Queries: sent(r.Users.countByRole(ctx))},
		{Name: "Users.Stats of a day", Purpose: "count new accounts", Indexes: []string{"idx_users_created_at"},
			Queries: sent(r.Users.countSince(ctx, yesterday))},
		{Name: "Users.AdminExists", Purpose: "look for any administrator at the start", Indexes: []string{"idx_users_role", "idx_users_active_role"},
			Queries: sent(r.Users.AdminExists(ctx))},
		{Name: "Users.OtherActiveAdmin lock", Purpose: "let one administrator go at a time", Reason: "reads no table",
			Queries: sent(r.Users.lockAdmins(ctx))},
		{Name: "Users.OtherActiveAdmin", Purpose: "keep the last administrator", Indexes: []string{"idx_users_role", "idx_users_active_role"},
			Queries: sent(r.Users.otherActiveAdmin(ctx, id))},

		{Name: "Registrations.Add", Purpose: "note an attempt", Reason: onlyInserts, Queries: sent(r.Registrations.Add(ctx, attempt), r.Registrations.Add(ctx, reachable))},
		{Name: "Registrations.Newest", Purpose: "log in before the address is verified", Indexes: []string{"idx_registrations_user"},
			Queries: sent(r.Registrations.Newest(ctx, registration.UserID))},
		{Name: "Registrations.Owner", Purpose: "find the account of a token", Indexes: []string{"UQ_registrations_token_hash"},
			Queries: sent(r.Registrations.Owner(ctx, registration.TokenHash))},
		{Name: "Registrations.Take", Purpose: "redeem a token once", Indexes: []string{"UQ_registrations_token_hash"},
			Queries: sent(r.Registrations.Take(ctx, registration.TokenHash, now))},
		{Name: "Registrations.Live", Purpose: "find the attempts to mail again", Indexes: []string{"idx_registrations_user"},
			Queries: sent(r.Registrations.Live(ctx, registration.UserID, now))},
		{Name: "Registrations.Renew", Purpose: "give an attempt another token", Indexes: []string{"PK_registrations"},
			Queries: sent(r.Registrations.Renew(ctx, registration.ID, attempt.TokenHash, now))},
		{Name: "Registrations.Void", Purpose: "void the other attempts", Indexes: []string{"idx_registrations_user"},
			Queries: sent(r.Registrations.Void(ctx, registration.UserID))},
		{Name: "Registrations.VoidExpired", Purpose: "drop old attempts", Indexes: []string{"idx_registrations_user"},
			Queries: sent(r.Registrations.VoidExpired(ctx, registration.UserID, now))},

		{Name: "OneTimeTokens.Issue", Purpose: "issue a token", Reason: "adds a row, or replaces the one in its way",
			Queries: sent(r.OneTimeTokens.Issue(ctx, issued), r.OneTimeTokens.Issue(ctx, code))},
		{Name: "OneTimeTokens.Owner", Purpose: "find the account of a token", Indexes: []string{"UQ_one_time_tokens_token_hash"},
			Queries: slices.Concat(
				sent(r.OneTimeTokens.Owner(ctx, token.TokenHash, domain.ConfirmEmail)),
				sent(r.OneTimeTokens.Owner(ctx, token.TokenHash, domain.ResetPassword, domain.AcceptInvitation)))},
		{Name: "OneTimeTokens.Take", Purpose: "redeem a token once", Indexes: []string{"UQ_one_time_tokens_token_hash"},
			Queries: slices.Concat(
				sent(r.OneTimeTokens.Take(ctx, token.TokenHash, now, domain.ConfirmEmail)),
				sent(r.OneTimeTokens.Take(ctx, token.TokenHash, now, domain.ResetPassword, domain.AcceptInvitation)))},
		{Name: "OneTimeTokens.Try", Purpose: "count a try at a code", Indexes: []string{"PK_one_time_tokens"},
			Queries: sent(r.OneTimeTokens.Try(ctx, token.UserID, now))},
		{Name: "OneTimeTokens.Has", Purpose: "ask whether somebody was invited", Indexes: []string{"PK_one_time_tokens"},
			Queries: sent(r.OneTimeTokens.Has(ctx, token.UserID, token.Purpose))},
		{Name: "OneTimeTokens.Void", Purpose: "void what was issued", Indexes: []string{"PK_one_time_tokens"},
			Queries: sent(r.OneTimeTokens.Void(ctx, token.UserID))},

		{Name: "Sessions.Insert", Purpose: "log in", Reason: onlyInserts, Queries: withSessions(r.Sessions.Insert, begun)},
		{Name: "Sessions.Save", Purpose: "exchange or end a session", Indexes: []string{"PK_sessions"}, Queries: withSessions(r.Sessions.Save, session)},
		{Name: "Sessions.ByID", Purpose: "check the session of a request", Indexes: []string{"PK_sessions"}, Queries: sent(r.Sessions.ByID(ctx, session.ID))},
		{Name: "Sessions.LockByID", Purpose: "refresh; log out", Indexes: []string{"PK_sessions"}, Queries: sent(r.Sessions.LockByID(ctx, session.ID))},
		{Name: "Sessions.Live", Purpose: "show the sessions of an account", Indexes: []string{"idx_sessions_user"},
			Queries: sent(r.Sessions.Live(ctx, session.UserID, application.MaxSessions, now))},
		{Name: "Sessions.EndAll", Purpose: "end the sessions of an account", Indexes: []string{"idx_sessions_user"},
			Queries: sent(r.Sessions.EndAll(ctx, session.UserID, uuid.Nil, domain.EndedByPassword, now))},

		{Name: "Audit.Append", Purpose: "record an act", Reason: onlyInserts, Queries: acts()},
		{Name: "Audit.OfSubject", Purpose: "show the audit trail of an account", Indexes: []string{"idx_audit_log_subject"},
			Queries: trail()},

		{Name: "Changes.Announce", Purpose: "tell other instances what to forget", Reason: onlyInserts,
			Queries: sent(r.Changes.Announce(ctx, id, now, []application.Change{{ID: sample.NewID, Kind: application.UserChanged, Subject: id}}))},
		{Name: "Changes.Moment", Purpose: "begin to follow other instances", Reason: "reads no table", Queries: sent(r.Changes.Moment(ctx))},
		{Name: "Changes.Since", Purpose: "follow other instances", Indexes: []string{"idx_outbox_changes"},
			Queries: sent(r.Changes.Since(ctx, sample.Moment, sample.NewID))},

		{Name: "Throttles.Take", Purpose: "count a use", Reason: "goes by the rows it meets on adding them",
			Queries: limited(func(l []application.Limit) { _ = r.Throttles.Take(ctx, l, now) })},
		{Name: "Throttles.Take used up", Purpose: "say when a limit is free", Indexes: []string{"PK_throttles"},
			Queries: limited(func(l []application.Limit) { _, _ = r.Throttles.free(ctx, l, now) })},
		{Name: "Throttles.Return", Purpose: "give a use back", Indexes: []string{"PK_throttles"},
			Queries: limited(func(l []application.Limit) { _ = r.Throttles.Return(ctx, l, now) })},
		{Name: "Throttles.Lift", Purpose: "let somebody in who has proven who they are", Indexes: []string{"PK_throttles"},
			Queries: limited(func(l []application.Limit) { _ = r.Throttles.Lift(ctx, l) })},
		{Name: "Throttles.Trust", Purpose: "remember where somebody logs in", Reason: "goes by the row it meets on adding it",
			Queries: sent(r.Throttles.Trust(ctx, sample.NewID.String(), now))},
		{Name: "Throttles.Trusted", Purpose: "let its owner in to an account under attack", Indexes: []string{"PK_trusted_origins"},
			Queries: sent(r.Throttles.Trusted(ctx, sample.Origin, now))},

		{Name: "Leftovers.RemoveSessions", Purpose: "clean up", Indexes: []string{"idx_sessions_over", "PK_sessions"},
			Queries: sent(r.Leftovers.RemoveSessions(ctx, now, limit))},
		{Name: "Leftovers.RemoveRegistrations", Purpose: "clean up", Indexes: []string{"idx_registrations_expires", "PK_registrations"},
			Queries: sent(r.Leftovers.RemoveRegistrations(ctx, now, limit))},
		{Name: "Leftovers.RemoveTokens", Purpose: "clean up", Indexes: []string{"idx_one_time_tokens_expires_at", "UQ_one_time_tokens_token_hash"},
			Queries: sent(r.Leftovers.RemoveTokens(ctx, now, limit))},
		{Name: "Leftovers.RemoveLimits", Purpose: "clean up", Indexes: []string{"idx_throttles_resets_at", "PK_throttles"},
			Queries: sent(r.Leftovers.RemoveLimits(ctx, now, limit))},
		{Name: "Leftovers.RemoveOrigins", Purpose: "clean up", Indexes: []string{"idx_trusted_origins_until", "PK_trusted_origins"},
			Queries: sent(r.Leftovers.RemoveOrigins(ctx, now, limit))},
		{Name: "Leftovers.RemoveDeadMail", Purpose: "clean up", Indexes: []string{"idx_outbox_dead", "PK_outbox"},
			Queries: sent(r.Leftovers.RemoveDeadMail(ctx, now, limit))},
		{Name: "Leftovers.RemoveChanges", Purpose: "clean up", Indexes: []string{"idx_outbox_changes", "PK_outbox"},
			Queries: sent(r.Leftovers.RemoveChanges(ctx, now, limit))},
		{Name: "Leftovers.Unverified", Purpose: "find accounts that nobody has begun to use",
			Indexes: []string{
				"idx_users_unverified", "idx_registrations_user", "idx_registrations_expires", "PK_one_time_tokens", "idx_one_time_tokens_expires_at",
			}, Queries: unused()},
		{Name: "Leftovers.RemoveUnverified lock", Purpose: "remove such an account", Indexes: []string{"PK_users"},
			Queries: sent(r.Leftovers.lockUnverified(ctx, id))},
		{Name: "Leftovers.RemoveUnverified", Purpose: "remove such an account",
			Indexes: []string{"PK_users", "idx_registrations_user", "PK_one_time_tokens"},
			Queries: sent(r.Leftovers.removeUnused(ctx, id, now, now))},

		{Name: "Outbox.Append", Purpose: "queue a message", Reason: onlyInserts,
			Queries: sent(r.Outbox.Append(ctx, queued), r.Outbox.Append(ctx, asked))},
		{Name: "Outbox.Lease", Purpose: "take the message of a lane that is due first", Indexes: []string{"idx_outbox_mail", "idx_outbox_not_mail", "PK_outbox"},
			Queries: leases()},
		{Name: "Outbox.Delivered", Purpose: "remove what was sent", Indexes: []string{"PK_outbox"}, Queries: sent(r.Outbox.Delivered(ctx, message.ID))},
		{Name: "Outbox.Retry", Purpose: "put a message off", Indexes: []string{"PK_outbox"}, Queries: sent(r.Outbox.Retry(ctx, message.ID, now, text))},
		{Name: "Outbox.Bury", Purpose: "give a message up", Indexes: []string{"PK_outbox"}, Queries: sent(r.Outbox.Bury(ctx, message.ID, now, text))},
		{Name: "Outbox.Backlog", Purpose: "watch the outbox", Indexes: []string{"idx_outbox_mail", "idx_outbox_dead"},
			Queries: sent(r.Outbox.Backlog(ctx))},
	}
}

// conditions returns filters with every set of the conditions that may be left out, on accounts created since from and until to.
func conditions(from, to *time.Time) []application.Filter {
	yes, no, role := true, false, users.Organizer
	all := []application.Filter{{CreatedFrom: from, CreatedTo: to}}
	for _, set := range []func(*application.Filter){
		func(f *application.Filter) { f.Role = &role },
		func(f *application.Filter) { f.IsActive = &no },
		func(f *application.Filter) { f.EmailVerified = &yes },
		func(f *application.Filter) { f.IsOrganizer = &yes },
	} {
		for _, f := range all {
			set(&f)
			all = append(all, f)
		}
	}
	return all
}

// accounts returns a user with every set of optional columns: bun writes DEFAULT for one that is empty, and asks for what it became.
func accounts(like domain.State, now time.Time) []domain.State {
	text := "text"
	var all []domain.State
	for _, phone := range []*string{nil, cmp.Or(like.Phone, &text)} {
		for _, hash := range []*string{nil, cmp.Or(like.PasswordHash, &text)} {
			for _, login := range []*time.Time{nil, &now} {
				u := like
				u.Phone, u.PasswordHash, u.LastLoginAt = phone, hash, login
				u.DeactivatedAt, u.DeactivatedBy, u.DeactivationReason = nil, nil, nil
				left := u
				left.DeactivatedAt, left.DeactivatedBy = &now, &like.ID
				told := left
				told.DeactivationReason = &text
				all = append(all, u, left, told)
			}
		}
	}
	return all
}

// sessions returns a session at each stage of its life.
func sessions(like domain.SessionState, now time.Time) []domain.SessionState {
	reason := domain.EndedByLogout
	fresh := like
	fresh.PreviousHash, fresh.ExchangedAt, fresh.EndedAt, fresh.EndReason = nil, nil, nil, nil
	exchanged := fresh
	exchanged.PreviousHash, exchanged.ExchangedAt = like.TokenHash, &now
	all := []domain.SessionState{fresh, exchanged}
	for _, s := range all {
		for _, s.Origin = range origins()[1:] {
			all = append(all, s)
		}
	}
	for _, s := range all {
		s.EndedAt, s.EndReason = &now, &reason
		all = append(all, s)
	}
	return all
}

// origins returns each set of what may be known of one, the first empty.
func origins() []domain.Origin {
	address, agent := netip.IPv6Loopback(), "text"
	return []domain.Origin{{}, {Address: &address}, {UserAgent: &agent}, {Address: &address, UserAgent: &agent}}
}

// entries returns acts with every set of optional columns.
func entries(sample Sample) []application.AuditEntry {
	var all []application.AuditEntry
	for _, actor := range []*users.ID{nil, &sample.User.ID} {
		for _, subject := range []*users.ID{nil, &sample.User.ID} {
			for _, from := range origins() {
				all = append(all, application.AuditEntry{
					ID: sample.NewID, CreatedAt: sample.Now, ActorID: actor, Act: application.ActLogIn, SubjectID: subject,
					Outcome: application.Success, Origin: from, Details: application.Details{"text": "text"},
				})
			}
		}
	}
	return all
}
