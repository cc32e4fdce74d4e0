package httpapi

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tickr/tickr/modules/users/internal/application"
)

type messageOutput struct {
	Body struct {
		Message string `json:"message" doc:"What happened, for people"`
	}
}

func message(text string) *messageOutput {
	out := &messageOutput{}
	out.Body.Message = text
	return out
}

type registerBody struct {
	Email     string  `json:"email" doc:"At most 254 characters" example:"amira@example.com"`
	Password  string  `json:"password" doc:"12 to 128 characters, none of the common ones" example:"violet-canyon-umbrella"`
	FirstName string  `json:"firstName" doc:"1 to 100 characters" example:"Amira"`
	LastName  string  `json:"lastName" doc:"1 to 100 characters" example:"Ben Salah"`
	Phone     *string `json:"phone,omitempty" nullable:"true" doc:"E.164, or as dialled in Tunisia; claimed when the e-mail is verified" example:"+21620123456"`
}

func (b registerBody) registration() application.Registration {
	return application.Registration{
		Email: b.Email, Password: b.Password, FirstName: b.FirstName, LastName: b.LastName, Phone: valueOf(b.Phone),
	}
}

// Resolve makes huma name what is wrong by the rules of users together with what is wrong by the schema.
func (b registerBody) Resolve(huma.Context) []error { return violations(b.registration().Validate()) }

// evenTime is what the time of a registration is a multiple of. A new account takes half a millisecond longer than a known address, as
// its row is written into all indexes: that must not tell them apart.
const evenTime = 50 * time.Millisecond

// evenly returns what waits until the time since then is such a multiple.
func evenly() (wait func()) {
	ticker := time.NewTicker(evenTime)
	return func() {
		defer ticker.Stop()
		select {
		case <-ticker.C: // has passed
		default:
		}
		<-ticker.C
	}
}

func (h handlers) register(ctx context.Context, in *struct{ Body registerBody }) (*messageOutput, error) {
	defer evenly()()
	if err := h.service.Register(ctx, originOf(ctx), in.Body.registration()); err != nil {
		return nil, err
	}
	return message("If the address can be registered, a mail with a link to verify it is on its way."), nil
}

type tokenBody struct {
	Token string `json:"token" doc:"The token from the link in the mail"`
}

func (h handlers) verifyEmail(ctx context.Context, in *struct{ Body tokenBody }) (*messageOutput, error) {
	if err := h.service.VerifyEmail(ctx, originOf(ctx), in.Body.Token); err != nil {
		return nil, err
	}
	return message("The e-mail address is verified. You can log in now."), nil
}

func valueOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
