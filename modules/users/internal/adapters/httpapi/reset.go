package httpapi

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tickr/tickr/modules/users/internal/application"
)

type addressBody struct {
	Email string `json:"email" example:"amira@example.com"`
}

// Resolve makes huma name what is wrong by the rules of users together with what is wrong by the schema.
func (b addressBody) Resolve(huma.Context) []error {
	return violations(application.Address(b).Validate())
}

func (h handlers) resendVerification(ctx context.Context, in *struct{ Body addressBody }) (*messageOutput, error) {
	if err := h.service.ResendVerification(ctx, originOf(ctx), application.Address(in.Body)); err != nil {
		return nil, err
	}
	return message("If the address waits to be verified, a mail with a new link is on its way."), nil
}

func (h handlers) requestReset(ctx context.Context, in *struct{ Body addressBody }) (*messageOutput, error) {
	if err := h.service.RequestReset(ctx, originOf(ctx), application.Address(in.Body)); err != nil {
		return nil, err
	}
	return message("If the address has an account, a mail with a link to a new password is on its way."), nil
}

type resetBody struct {
	Token       string `json:"token" doc:"The token from the link in the mail, or in the invitation"`
	NewPassword string `json:"newPassword" doc:"12 to 128 characters, none of the common ones" example:"violet-canyon-umbrella"`
}

func (b resetBody) reset() application.Reset {
	return application.Reset{Token: b.Token, New: b.NewPassword}
}

// Resolve makes huma name what is wrong by the rules of users together with what is wrong by the schema.
func (b resetBody) Resolve(huma.Context) []error { return violations(b.reset().Validate()) }

func (h handlers) resetPassword(ctx context.Context, in *struct{ Body resetBody }) (*messageOutput, error) {
	if err := h.service.ResetPassword(ctx, originOf(ctx), in.Body.reset()); err != nil {
		return nil, err
	}
	return message("Your password is set and all your sessions have ended. You can log in now."), nil
}
