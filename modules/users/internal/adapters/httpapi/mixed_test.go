package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// One answer names every wrong field once, whether it breaks the schema or a rule of users.
func TestAllWrongFieldsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin()
	u, own := w.participant("ana@example.com")
	user := "/api/users/" + u.ID.String()
	long := strings.Repeat("x", 501)
	for name, test := range map[string]struct {
		route, token, body string
		want               []string
	}{
		"register nothing": {
			"POST /api/auth/register", "", `{}`,
			[]string{"email required", "firstName required", "lastName required", "password required"},
		},
		"register of every kind": {
			"POST /api/auth/register", "", `{"email":1,"password":"short","x":true}`,
			[]string{"email invalid_type", "firstName required", "lastName required", "password too_short", "x unknown_field"},
		},
		"register rules": {
			"POST /api/auth/register", "", `{"email":"a","password":"password1234","firstName":" ","lastName":"\u0007","phone":"1"}`,
			[]string{"email invalid", "firstName required", "lastName invalid", "password weak", "phone invalid"},
		},
		"register types": {
			"POST /api/auth/register", "", `{"email":[],"password":{},"firstName":null,"lastName":1.5,"phone":false}`,
			[]string{"email invalid_type", "firstName invalid_type", "lastName invalid_type", "password invalid_type", "phone invalid_type"},
		},
		"login": {
			"POST /api/auth/login", "", `{"email":"","password":7,"remember":true}`,
			[]string{"email required", "password invalid_type", "remember unknown_field"},
		},
		"verify": {"POST /api/auth/verify-email", "", `{"code":1}`, []string{"code unknown_field", "token required"}},
		"reset": {
			"POST /api/auth/reset-password", "", `{"newPassword":"short","email":"a@example.com"}`,
			[]string{"email unknown_field", "newPassword too_short", "token required"},
		},
		"request reset": {"POST /api/auth/request-reset", "", `{"email":5,"x":1}`, []string{"email invalid_type", "x unknown_field"}},
		"e-mail change": {
			"POST /api/users/me/email", own, `{"newEmail":"new","email":"x"}`, []string{"email unknown_field", "newEmail invalid", "password required"},
		},
		"phone": {"POST /api/users/me/phone/verification", own, `{"phone":"12","code":1}`, []string{"code unknown_field", "phone invalid"}},
		"code":  {"POST /api/users/me/phone/verify", own, `{"phone":"12"}`, []string{"code required", "phone unknown_field"}},
		"own profile": {
			"PUT /api/users/me", own, `{"firstName":5,"phone":"+","email":"new@example.com"}`,
			[]string{"email unknown_field", "firstName invalid_type", "lastName required", "phone invalid"},
		},
		"password": {
			"PATCH /api/users/me/password", own, `{"newPassword":"short","email":"new@example.com"}`,
			[]string{"currentPassword required", "email unknown_field", "newPassword too_short"},
		},
		"password types": {
			"PATCH /api/users/me/password", own, `{"currentPassword":1,"newPassword":"password1234"}`,
			[]string{"currentPassword invalid_type", "newPassword weak"},
		},
		"create": {
			"POST /api/users", admin, `{"email":"a","firstName":5,"role":"ROOT","phone":{},"password":"x"}`,
			[]string{"email invalid", "firstName invalid_type", "lastName required", "password unknown_field", "phone invalid_type", "role invalid"},
		},
		"update, types first": {
			"PATCH " + user, admin, `{"firstName":5,"lastName":"","phone":[],"role":"ROOT"}`,
			[]string{"firstName invalid_type", "lastName required", "phone invalid_type", "role invalid"},
		},
		"update, types last": {
			"PATCH " + user, admin, `{"lastName":"","role":"ROOT","x":1,"firstName":{"a":[1]},"phone":true}`,
			[]string{"firstName invalid_type", "lastName required", "phone invalid_type", "role invalid", "x unknown_field"},
		},
		"update with nulls": {
			"PATCH " + user, admin, `{"firstName":null,"lastName":null,"phone":null,"role":null}`,
			[]string{"firstName required", "lastName required", "role required"},
		},
		"deactivate": {
			"POST " + user + "/deactivate", admin, `{"reason":"` + long + `","x":1}`, []string{"reason too_long", "x unknown_field"},
		},
		"batch": {
			"POST /api/users/batch", admin, `{"ids":["x",5,"` + u.ID.String() + `",null,""],"x":1}`,
			[]string{"ids[0] invalid", "ids[1] invalid_type", "ids[3] invalid_type", "ids[4] invalid", "x unknown_field"},
		},
		"batch too large": {
			"POST /api/users/batch", admin, `{"ids":[` + strings.Repeat(`"x",`, 500) + `"x"],"x":1}`, []string{"ids too_long", "x unknown_field"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w.requireUnchanged(func() {
				a := w.send(test.route, test.token, test.body)
				require.NotContains(t, a.Body.String(), "ROOT", "what was sent is not sent back")
				a.names(test.want...)
			})
		})
	}
}

// PATCH changes what is given, and null is given.
func TestUpdateChangesWhatIsGiven(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body                      string
		first, last, phone, inRow string
	}{
		"nothing":     {`{}`, "Ana", "Trabelsi", number, "PARTICIPANT"},
		"first name":  {`{"firstName":" Zoë "}`, "Zoë", "Trabelsi", number, "PARTICIPANT"},
		"last name":   {`{"lastName":"B"}`, "Ana", "B", number, "PARTICIPANT"},
		"phone":       {`{"phone":"98 123 456"}`, "Ana", "Trabelsi", "+21698123456", "PARTICIPANT"},
		"null phone":  {`{"phone":null}`, "Ana", "Trabelsi", "", "PARTICIPANT"},
		"empty phone": {`{"phone":""}`, "Ana", "Trabelsi", "", "PARTICIPANT"},
		"role":        {`{"role":"ORGANIZER"}`, "Ana", "Trabelsi", number, "ORGANIZER"},
		"all":         {`{"firstName":"A","lastName":"B","phone":null,"role":"ADMIN"}`, "A", "B", "", "ADMIN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			token := w.admin()
			u := w.account("ana@example.com", withNumber(true))
			a := w.send("PATCH /api/users/"+u.ID.String(), token, test.body).is(http.StatusOK)
			w.requireProfile(a, u.ID)
			var p struct{ FirstName, LastName, Phone, Role string }
			a.into(&p)
			require.Equal(t, []string{test.first, test.last, test.phone, test.inRow}, []string{p.FirstName, p.LastName, p.Phone, p.Role})
			require.Equal(t, test.body == `{}`, w.stored(u.ID).Version == u.Version)
		})
	}
}
