package application

import (
	"slices"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// UseCase names something that a known user may ask for. What anybody may ask for (registering, logging in...) is not one.
type UseCase string

// The use cases.
const (
	ViewOwnProfile    UseCase = "view own profile"
	UpdateOwnProfile  UseCase = "update own profile"
	ChangeOwnPassword UseCase = "change own password"
	DeactivateOwn     UseCase = "deactivate own account"
	ChangeOwnEmail    UseCase = "change own e-mail address"
	VerifyOwnPhone    UseCase = "verify own phone number"
	BecomeOrganizer   UseCase = "become an organizer"
	ViewOwnSessions   UseCase = "view own sessions"
	EndOwnSession     UseCase = "end an own session"
	EndOtherSessions  UseCase = "end the other own sessions"

	ListUsers      UseCase = "list users"
	ViewUser       UseCase = "view a user"
	CreateUser     UseCase = "create a user"
	UpdateUser     UseCase = "update a user"
	DeactivateUser UseCase = "deactivate a user"
	ReactivateUser UseCase = "reactivate a user"
	EndSessions    UseCase = "end all sessions of a user"
	ViewTrail      UseCase = "view the audit trail of a user"
	BatchUsers     UseCase = "view users by ID"
	ViewStats      UseCase = "view statistics"
)

// policy says which roles may do what. What is not in it nobody may.
var policy = map[UseCase][]users.Role{
	ViewOwnProfile:    users.Roles(),
	UpdateOwnProfile:  users.Roles(),
	ChangeOwnPassword: users.Roles(),
	DeactivateOwn:     users.Roles(),
	ChangeOwnEmail:    users.Roles(),
	VerifyOwnPhone:    users.Roles(),
	BecomeOrganizer:   users.Roles(),
	ViewOwnSessions:   users.Roles(),
	EndOwnSession:     users.Roles(),
	EndOtherSessions:  users.Roles(),

	ListUsers:      {users.Admin},
	ViewUser:       {users.Admin},
	CreateUser:     {users.Admin},
	UpdateUser:     {users.Admin},
	DeactivateUser: {users.Admin},
	ReactivateUser: {users.Admin},
	EndSessions:    {users.Admin},
	ViewTrail:      {users.Admin},
	BatchUsers:     {users.Admin},
	ViewStats:      {users.Admin},
}

// Actor is the user who asks, as Authenticate found them: active, with a live session and the role of this moment.
type Actor struct {
	ID      users.ID
	Role    users.Role
	Session uuid.UUID
	Origin  domain.Origin // where they ask from
}

// May fails with users.ErrForbidden unless the actor's role allows the use case.
func (a Actor) May(uc UseCase) error {
	if !slices.Contains(policy[uc], a.Role) {
		return users.ErrForbidden
	}
	return nil
}
