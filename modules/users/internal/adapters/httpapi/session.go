package httpapi

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
)

type loginBody struct {
	Email    string `json:"email" doc:"The account's e-mail address, or its verified phone number" example:"amira@example.com"`
	Password string `json:"password" example:"violet-canyon-umbrella"`
}

// Resolve names missing fields together with what is wrong by the schema.
func (b loginBody) Resolve(huma.Context) []error {
	return violations(application.Credentials(b).Validate())
}

// Tokens is what a client gets to go on with. It is exported because huma documents embedded fields only then.
type Tokens struct {
	AccessToken  string `json:"accessToken" doc:"To be sent as Authorization: Bearer"`
	RefreshToken string `json:"refreshToken" doc:"To be exchanged, once, for the next pair"`
	ExpiresIn    int64  `json:"expiresIn" doc:"Life of the access token in seconds" example:"900"`
	TokenType    string `json:"tokenType" enum:"Bearer"`
}

func tokensOf(t application.Tokens) Tokens {
	return Tokens{AccessToken: t.Access, RefreshToken: t.Refresh, ExpiresIn: int64(t.ExpiresIn / time.Second), TokenType: "Bearer"}
}

type loginUser struct {
	ID        users.ID   `json:"id" format:"uuid"`
	Email     string     `json:"email"`
	FirstName string     `json:"firstName"`
	LastName  string     `json:"lastName"`
	Role      users.Role `json:"role" enum:"PARTICIPANT,ORGANIZER,ADMIN"`
}

type loginOutput struct {
	Body struct {
		Tokens
		User loginUser `json:"user"`
	}
}

func (h handlers) logIn(ctx context.Context, in *struct{ Body loginBody }) (*loginOutput, error) {
	pair, u, err := h.service.LogIn(ctx, originOf(ctx), application.Credentials(in.Body))
	if err != nil {
		return nil, err
	}
	out := &loginOutput{}
	out.Body.Tokens = tokensOf(pair)
	out.Body.User = loginUser{ID: u.ID, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Role: u.Role}
	return out, nil
}

type refreshBody struct {
	RefreshToken string `json:"refreshToken" doc:"The newest refresh token of the session"`
}

type refreshOutput struct{ Body Tokens }

func (h handlers) refresh(ctx context.Context, in *struct{ Body refreshBody }) (*refreshOutput, error) {
	pair, err := h.service.Refresh(ctx, originOf(ctx), in.Body.RefreshToken)
	if err != nil {
		return nil, err
	}
	return &refreshOutput{Body: tokensOf(pair)}, nil
}

func (h handlers) logOut(ctx context.Context, in *struct{ Body refreshBody }) (*struct{}, error) {
	return nil, h.service.LogOut(ctx, originOf(ctx), in.Body.RefreshToken)
}
