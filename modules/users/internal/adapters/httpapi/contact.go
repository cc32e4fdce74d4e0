package httpapi

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tickr/tickr/modules/users/internal/application"
)

type emailBody struct {
	NewEmail string `json:"newEmail" example:"amira@example.org"`
	Password string `json:"password" doc:"The current password"`
}

func (b emailBody) change() application.EmailChange {
	return application.EmailChange{New: b.NewEmail, Password: b.Password}
}

// Resolve makes huma name what is wrong by the rules of users together with what is wrong by the schema.
func (b emailBody) Resolve(huma.Context) []error { return violations(b.change().Validate()) }

func (h handlers) requestEmailChange(ctx context.Context, in *struct{ Body emailBody }) (*messageOutput, error) {
	if err := h.service.RequestEmailChange(ctx, actorOf(ctx), in.Body.change()); err != nil {
		return nil, err
	}
	return message("If the address can be yours, a mail with a link to confirm it is on its way there."), nil
}

func (h handlers) confirmEmail(ctx context.Context, in *struct{ Body tokenBody }) (*messageOutput, error) {
	if err := h.service.ConfirmEmail(ctx, originOf(ctx), in.Body.Token); err != nil {
		return nil, err
	}
	return message("The e-mail address is changed. Log in with the new one from now on."), nil
}

type phoneBody struct {
	Phone *string `json:"phone,omitempty" nullable:"true" doc:"The number to verify, whoever has it; without it, that of the profile" example:"+21620123456"`
}

func (b phoneBody) number() application.PhoneNumber {
	return application.PhoneNumber{Phone: valueOf(b.Phone)}
}

// Resolve makes huma name what is wrong by the rules of users together with what is wrong by the schema.
func (b phoneBody) Resolve(huma.Context) []error { return violations(b.number().Validate()) }

func (h handlers) requestPhoneCode(ctx context.Context, in *struct{ Body *phoneBody }) (*messageOutput, error) {
	var body phoneBody
	if in.Body != nil {
		body = *in.Body
	}
	if err := h.service.RequestPhoneCode(ctx, actorOf(ctx), body.number()); err != nil {
		return nil, err
	}
	return message("A code is on its way to the number."), nil
}

type codeBody struct {
	Code string `json:"code" doc:"The 6 digits of the newest text message" example:"012345"`
}

func (h handlers) verifyPhone(ctx context.Context, in *struct{ Body codeBody }) (*messageOutput, error) {
	if err := h.service.VerifyPhone(ctx, actorOf(ctx), in.Body.Code); err != nil {
		return nil, err
	}
	return message("The phone number is verified. You can log in with it."), nil
}

func (h handlers) becomeOrganizer(ctx context.Context, _ *struct{}) (*profileOutput, error) {
	u, err := h.service.BecomeOrganizer(ctx, actorOf(ctx))
	return &profileOutput{profile(u)}, err
}
