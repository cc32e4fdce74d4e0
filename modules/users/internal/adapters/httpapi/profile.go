package httpapi

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
)

// profile is a users.User in JSON: field for field the same, so that the conversion stops compiling when the view grows.
type profile struct {
	ID            users.ID   `json:"id" format:"uuid"`
	Email         string     `json:"email" example:"amira@example.com"`
	Phone         *string    `json:"phone" nullable:"true" doc:"E.164" example:"+21620123456"`
	FirstName     string     `json:"firstName" example:"Amira"`
	LastName      string     `json:"lastName" example:"Ben Salah"`
	Role          users.Role `json:"role" enum:"PARTICIPANT,ORGANIZER,ADMIN"`
	IsOrganizer   bool       `json:"isOrganizer"`
	EmailVerified bool       `json:"emailVerified"`
	PhoneVerified bool       `json:"phoneVerified"`
	IsActive      bool       `json:"isActive" doc:"false: deactivated"`
	LastLoginAt   *time.Time `json:"lastLoginAt" nullable:"true"`
	CreatedAt     time.Time  `json:"createdAt"`
	UpdatedAt     time.Time  `json:"updatedAt"`
	Version       int64      `json:"-"` // published as the ETag only
}

type profileOutput struct{ Body profile }

func (h handlers) ownProfile(ctx context.Context, _ *struct{}) (*profileOutput, error) {
	u, err := h.service.OwnProfile(ctx, actorOf(ctx))
	return &profileOutput{profile(u)}, err
}

type profileBody struct {
	FirstName string  `json:"firstName" doc:"1 to 100 characters" example:"Amira"`
	LastName  string  `json:"lastName" doc:"1 to 100 characters" example:"Ben Salah"`
	Phone     *string `json:"phone,omitempty" nullable:"true" doc:"null, empty or absent gives the number up" example:"+21620123456"`
}

func (b profileBody) profile() application.Profile {
	return application.Profile{FirstName: b.FirstName, LastName: b.LastName, Phone: valueOf(b.Phone)}
}

// Resolve makes huma name what is wrong by the rules of users together with what is wrong by the schema.
func (b profileBody) Resolve(huma.Context) []error { return violations(b.profile().Validate()) }

func (h handlers) updateOwnProfile(ctx context.Context, in *struct{ Body profileBody }) (*profileOutput, error) {
	u, err := h.service.UpdateOwnProfile(ctx, actorOf(ctx), in.Body.profile())
	return &profileOutput{profile(u)}, err
}

func (h handlers) deactivateOwn(ctx context.Context, _ *struct{}) (*messageOutput, error) {
	if err := h.service.DeactivateOwn(ctx, actorOf(ctx)); err != nil {
		return nil, err
	}
	return message("Your account is deactivated and all its sessions have ended."), nil
}

type passwordBody struct {
	CurrentPassword string `json:"currentPassword"`
	NewPassword     string `json:"newPassword" doc:"12 to 128 characters, none of the common ones"`
}

// Resolve makes huma name what is wrong by the rules of users together with what is wrong by the schema.
func (b passwordBody) Resolve(huma.Context) []error { return violations(b.change().Validate()) }

func (b passwordBody) change() application.PasswordChange {
	return application.PasswordChange{Current: b.CurrentPassword, New: b.NewPassword}
}

func (h handlers) changeOwnPassword(ctx context.Context, in *struct{ Body passwordBody }) (*messageOutput, error) {
	if err := h.service.ChangeOwnPassword(ctx, actorOf(ctx), in.Body.change()); err != nil {
		return nil, err
	}
	return message("Your password is changed and your other sessions have ended."), nil
}
