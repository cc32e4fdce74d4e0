package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// taggedOutput is a profile with the version it has, for If-Match.
type taggedOutput struct {
	ETag string `header:"ETag"`
	Body profile
}

func tagged(u users.User) *taggedOutput {
	return &taggedOutput{ETag: strconv.Quote(strconv.FormatInt(u.Version, 10)), Body: profile(u)}
}

// IDPath is the path of a user. It is exported because huma fills embedded parameters only then.
type IDPath struct {
	ID string `path:"id" doc:"UUID of the user"`
}

// parse fails with users.ErrNotFound for what cannot be an ID: nobody has it.
func (p IDPath) parse() (users.ID, error) {
	id, ok := parseID(p.ID)
	if !ok {
		return users.ID{}, users.ErrNotFound
	}
	return id, nil
}

// parseID takes the 36 characters of RFC 9562 only; uuid.Parse takes braces and URNs, too.
func parseID(text string) (users.ID, bool) {
	id, err := uuid.Parse(text)
	return id, err == nil && len(text) == 36
}

func (h handlers) user(ctx context.Context, in *IDPath) (*taggedOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	u, err := h.service.User(ctx, actorOf(ctx), id)
	return tagged(u), err
}

type createBody struct {
	Email     string  `json:"email" example:"amira@example.com"`
	FirstName string  `json:"firstName" example:"Amira"`
	LastName  string  `json:"lastName" example:"Ben Salah"`
	Phone     *string `json:"phone,omitempty" nullable:"true" example:"+21620123456"`
	Role      *string `json:"role,omitempty" nullable:"true" doc:"PARTICIPANT (the default), ORGANIZER or ADMIN" example:"ORGANIZER"`
}

func (b createBody) account() application.NewAccount {
	return application.NewAccount{
		Email: b.Email, FirstName: b.FirstName, LastName: b.LastName, Phone: valueOf(b.Phone), Role: valueOf(b.Role),
	}
}

// Resolve makes huma name what is wrong by the rules of users together with what is wrong by the schema.
func (b createBody) Resolve(huma.Context) []error { return violations(b.account().Validate()) }

type createOutput struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     profile
}

func (h handlers) create(ctx context.Context, in *struct{ Body createBody }) (*createOutput, error) {
	u, err := h.service.CreateUser(ctx, actorOf(ctx), in.Body.account())
	if err != nil {
		return nil, err
	}
	out := tagged(u)
	return &createOutput{Location: "/api/users/" + u.ID.String(), ETag: out.ETag, Body: out.Body}, nil
}

// given is a JSON string that may be left out. null is not left out: it is an empty text.
type given struct{ text *string }

// UnmarshalJSON does not fail: what is no text breaks the schema, and an error would keep encoding/json from the fields after it.
func (g *given) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		g.text = &text
	}
	return nil
}

// Schema describes the value in the OpenAPI document.
func (given) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true}
}

type updateBody struct {
	FirstName given `json:"firstName" required:"false"`
	LastName  given `json:"lastName" required:"false"`
	Phone     given `json:"phone" required:"false" doc:"null or empty gives the number up"`
	Role      given `json:"role" required:"false" doc:"PARTICIPANT, ORGANIZER or ADMIN"`
}

func (b updateBody) change() application.UserChange {
	return application.UserChange{FirstName: b.FirstName.text, LastName: b.LastName.text, Phone: b.Phone.text, Role: b.Role.text}
}

// Resolve makes huma name what is wrong by the rules of users together with what is wrong by the schema.
func (b updateBody) Resolve(huma.Context) []error { return violations(b.change().Validate()) }

type updateInput struct {
	IDPath
	IfMatch string `header:"If-Match" doc:"ETag of the version to change; without it any is"`
	Body    updateBody

	versions []int64
}

// Resolve reads If-Match itself: to huma an empty header is none, but whoever sends one meant a condition.
func (in *updateInput) Resolve(ctx huma.Context) []error {
	var sent []string
	ctx.EachHeader(func(name, value string) {
		if name == "If-Match" {
			sent = append(sent, value)
		}
	})
	in.versions = versions(sent)
	return nil
}

func (h handlers) update(ctx context.Context, in *updateInput) (*taggedOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	u, err := h.service.UpdateUser(ctx, actorOf(ctx), id, in.Body.change(), in.versions)
	return tagged(u), err
}

// versions reads the lines of If-Match (RFC 9110 section 13.1.1): nil, as when there are none, matches any version. Tags that are not
// ours, weak ones among them, match none.
func versions(lines []string) []int64 {
	tags := strings.TrimSpace(strings.Join(lines, ","))
	if lines == nil || tags == "*" {
		return nil
	}
	found := []int64{}
	for tag := range strings.SplitSeq(tags, ",") {
		tag = strings.TrimSpace(tag)
		if version, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64); err == nil && tag == strconv.Quote(strconv.FormatInt(version, 10)) {
			found = append(found, version)
		}
	}
	return found
}

type deactivateBody struct {
	Reason *string `json:"reason,omitempty" nullable:"true" doc:"Why, at most 500 characters"`
}

// Resolve makes huma name what is wrong by the rules of users together with what is wrong by the schema.
func (b deactivateBody) Resolve(huma.Context) []error {
	var invalid domain.InvalidError
	domain.Field(&invalid, "reason", valueOf(b.Reason), domain.ParseReason)
	return violations(invalid.Err())
}

type deactivateInput struct {
	IDPath
	Body *deactivateBody
}

func (h handlers) deactivate(ctx context.Context, in *deactivateInput) (*profileOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	reason := ""
	if in.Body != nil {
		reason = valueOf(in.Body.Reason)
	}
	u, err := h.service.Deactivate(ctx, actorOf(ctx), id, reason)
	return &profileOutput{profile(u)}, err
}

func (h handlers) reactivate(ctx context.Context, in *IDPath) (*profileOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	u, err := h.service.Reactivate(ctx, actorOf(ctx), id)
	return &profileOutput{profile(u)}, err
}

type batchBody struct {
	IDs []string `json:"ids" nullable:"false" doc:"At most 500 UUIDs"`
}

func (b batchBody) parse() ([]users.ID, error) {
	if len(b.IDs) > application.MaxBatch {
		return nil, domain.Invalid("ids", domain.CodeTooLong, "must have at most 500 items")
	}
	var invalid domain.InvalidError
	ids := make([]users.ID, len(b.IDs))
	for i, text := range b.IDs {
		id, ok := parseID(text)
		if !ok {
			invalid.Add(fmt.Sprintf("ids[%d]", i), &domain.Violation{Code: domain.CodeInvalid, Message: "must be a UUID"})
		}
		ids[i] = id
	}
	return ids, invalid.Err()
}

// Resolve makes huma name what cannot be an ID together with what is wrong by the schema.
func (b batchBody) Resolve(huma.Context) []error {
	_, err := b.parse()
	return violations(err)
}

type batchOutput struct {
	Body struct {
		Data    []profile  `json:"data" nullable:"false" doc:"The users found, in the asked order, each once"`
		Missing []users.ID `json:"missing" nullable:"false" format:"uuid" doc:"The IDs that nobody has"`
	}
}

func (h handlers) batch(ctx context.Context, in *struct{ Body batchBody }) (*batchOutput, error) {
	ids, err := in.Body.parse()
	if err != nil {
		return nil, err
	}
	found, missing, err := h.service.Batch(ctx, actorOf(ctx), ids)
	if err != nil {
		return nil, err
	}
	out := &batchOutput{}
	out.Body.Data = profiles(found)
	out.Body.Missing = append([]users.ID{}, missing...)
	return out, nil
}

func profiles(found []users.User) []profile {
	out := make([]profile, len(found))
	for i, u := range found {
		out[i] = profile(u)
	}
	return out
}

type statsOutput struct {
	Body struct {
		Total      int64                `json:"total"`
		Active     int64                `json:"active"`
		Inactive   int64                `json:"inactive" doc:"Deactivated accounts"`
		ByRole     map[users.Role]int64 `json:"byRole" doc:"Active or not, by role"`
		Signups24h int64                `json:"signups24h" doc:"Accounts created within the last 24 hours"`
	}
}

func (h handlers) stats(ctx context.Context, _ *struct{}) (*statsOutput, error) {
	s, err := h.service.Stats(ctx, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	out := &statsOutput{}
	out.Body.Total, out.Body.Active, out.Body.Inactive = s.Total, s.Active, s.Total-s.Active
	out.Body.ByRole, out.Body.Signups24h = s.ByRole, s.Signups24h
	return out, nil
}
