package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
)

// limit is a value of a field and what is wrong with it; nothing when it is accepted.
type limit struct {
	name  string
	value any
	code  string
}

var (
	nameLimits = []limit{
		{"empty", "", "required"},
		{"blank", " \t ", "required"},
		{"1", "A", ""},
		{"99", strings.Repeat("é", 99), ""},
		{"100", strings.Repeat("é", 100), ""},
		{"100 and space around", " " + strings.Repeat("é", 100) + " ", ""},
		{"100 decomposed", strings.Repeat("e\u0301", 100), ""},
		{"101", strings.Repeat("é", 101), "too_long"},
		{"control", "A\u0007B", "invalid"},
		{"bidirectional", "A\u202eB", "invalid"},
		{"number", 5, "invalid_type"},
		{"boolean", true, "invalid_type"},
		{"list", []any{"A"}, "invalid_type"},
		{"object", map[string]any{"A": "B"}, "invalid_type"},
	}
	emailLimits = []limit{
		{"empty", "", "required"},
		{"blank", " ", "required"},
		{"shortest", "a@b.c", ""},
		{"no at", "example.com", "invalid"},
		{"no dot", "a@localhost", "invalid"},
		{"display name", "A <a@example.com>", "invalid"},
		{"Unicode local part", "admİn@example.com", "invalid"},
		{"local part of 64", strings.Repeat("a", 64) + "@example.com", ""},
		{"local part of 65", strings.Repeat("a", 65) + "@example.com", "too_long"},
		{"253", emailOf(253), ""},
		{"254", emailOf(254), ""},
		{"255", emailOf(255), "too_long"},
		{"null", nil, "invalid_type"},
		{"number", 1, "invalid_type"},
		{"list", []any{"a@example.com"}, "invalid_type"},
	}
	phoneLimits = []limit{
		{"null", nil, ""},
		{"empty", "", ""},
		{"absent", absent{}, ""},
		{"national", "20 123 456", ""},
		{"other region", "+33 6 12 34 56 78", ""},
		{"one digit less", "+2162012345", "invalid"},
		{"one digit more", "+216201234567", "invalid"},
		{"15 digits", "+49 4604 946020794", ""},
		{"16 digits", "+49 4604 9460207945", "invalid"},
		{"letters", "+1 800 FLOWERS", "invalid"},
		{"extension", number + " ext 5", "invalid"},
		{"number", 20123456, "invalid_type"},
		{"list", []any{number}, "invalid_type"},
	}
	passwordLimits = []limit{
		{"empty", "", "required"},
		{"11", "é1234567-é1", "too_short"},
		{"12", "é1234567-é12", ""},
		{"13", "é1234567-é123", ""},
		{"12 with space around", " 234567-é89 ", ""},
		{"127", strings.Repeat("é7", 63) + "x", ""},
		{"128", strings.Repeat("é7", 64), ""},
		{"129", strings.Repeat("é7", 64) + "x", "too_long"},
		{"common", "password1234", "weak"},
		{"product", "tickrtickrtickr", "weak"},
		{"number", 123456789012, "invalid_type"},
		{"null", nil, "invalid_type"},
	}
	roleLimits = []limit{
		{"participant", "PARTICIPANT", ""},
		{"organizer", "ORGANIZER", ""},
		{"admin", "ADMIN", ""},
		{"lower case", "admin", "invalid"},
		{"space around", " ADMIN", "invalid"},
		{"unknown", "ROOT", "invalid"},
		{"number", 1, "invalid_type"},
	}
)

// emailOf returns an address of n octets with a domain as long as it needs.
func emailOf(n int) string {
	label := "." + strings.Repeat("b", 62)
	domain := "b" + strings.Repeat(label, 2)
	local := strings.Repeat("a", 63)
	rest := n - len(local) - 1 - len(domain)
	return local + "@" + domain + "." + strings.Repeat("c", rest-1)
}

func plus(limits []limit, more ...limit) []limit {
	return append(append([]limit{}, limits...), more...)
}

func TestLimitsOfEveryField(t *testing.T) {
	t.Parallel()
	required := limit{"absent", absent{}, "required"}
	null := limit{"null", nil, "invalid_type"}
	for _, body := range []struct {
		name, route string
		valid       map[string]any
		success     int
		fields      map[string][]limit
	}{
		{"register", "POST /api/auth/register", registration, http.StatusAccepted, map[string][]limit{
			"email": plus(emailLimits, required), "password": plus(passwordLimits, required, limit{"own name", "benSalah-benSalah", "weak"}),
			"firstName": plus(nameLimits, required, null), "lastName": plus(nameLimits, required, null), "phone": phoneLimits,
		}},
		{"own profile", "PUT /api/users/me", names, http.StatusOK, map[string][]limit{
			"firstName": plus(nameLimits, required, null), "lastName": plus(nameLimits, required, null), "phone": phoneLimits,
		}},
		{"create", "POST /api/users", account, http.StatusCreated, map[string][]limit{
			"email": plus(emailLimits, required), "firstName": plus(nameLimits, required, null), "lastName": plus(nameLimits, required, null),
			"phone": phoneLimits, "role": plus(roleLimits, limit{"null", nil, ""}, limit{"empty", "", ""}, limit{"absent", absent{}, ""}),
		}},
		{"update", "PATCH /api/users/{id}", names, http.StatusOK, map[string][]limit{
			"firstName": plus(nameLimits, limit{"null", nil, "required"}), "lastName": plus(nameLimits, limit{"null", nil, "required"}),
			"phone": phoneLimits, "role": plus(roleLimits, limit{"null", nil, "required"}, limit{"empty", "", "required"}),
		}},
		{"password", "PATCH /api/users/me/password", map[string]any{"currentPassword": password, "newPassword": newPassword}, http.StatusOK, map[string][]limit{
			"currentPassword": {required, null, {"empty", "", "required"}, {"number", 1, "invalid_type"}, {"wrong", "wrong", "incorrect"}},
			"newPassword":     plus(passwordLimits, required, limit{"own name", "trabelsi-trabelsi", "weak"}),
		}},
		{"reason", "POST /api/users/{id}/deactivate", map[string]any{}, http.StatusOK, map[string][]limit{
			"reason": {
				{"null", nil, ""}, {"empty", "", ""}, {"499", strings.Repeat("é", 499), ""}, {"500", strings.Repeat("é", 500), ""},
				{"501", strings.Repeat("é", 501), "too_long"}, {"control", "a\u0001", "invalid"}, {"number", 1, "invalid_type"},
			},
		}},
		{"login", "POST /api/auth/login", map[string]any{"email": "ana@example.com", "password": password}, http.StatusOK, map[string][]limit{
			"email":    {required, null, {"empty", "", "required"}, {"number", 1, "invalid_type"}, {"other case", " Ana@EXAMPLE.com ", ""}},
			"password": {required, null, {"empty", "", "required"}, {"number", 1, "invalid_type"}},
		}},
		{"verify", "POST /api/auth/verify-email", map[string]any{}, 0, map[string][]limit{"token": {required, null, {"number", 1, "invalid_type"}}}},
		{"resend", "POST /api/auth/resend-verification", map[string]any{}, http.StatusAccepted, map[string][]limit{"email": plus(emailLimits, required)}},
		{"request reset", "POST /api/auth/request-reset", map[string]any{}, http.StatusAccepted, map[string][]limit{"email": plus(emailLimits, required)}},
		{"reset", "POST /api/auth/reset-password", map[string]any{"token": "x", "newPassword": newPassword}, 0, map[string][]limit{
			"token": {required, null, {"number", 1, "invalid_type"}},
			"newPassword": {
				required, {"null", nil, "invalid_type"}, {"11", "é1234567-é1", "too_short"}, {"129", strings.Repeat("é7", 64) + "x", "too_long"},
				{"common", "password1234", "weak"},
			},
		}},
		{"confirm", "POST /api/auth/confirm-email", map[string]any{}, 0, map[string][]limit{"token": {required, null, {"number", 1, "invalid_type"}}}},
		{"e-mail", "POST /api/users/me/email", map[string]any{"newEmail": "new@example.com", "password": password}, http.StatusAccepted, map[string][]limit{
			"newEmail": plus(emailLimits, required, limit{"own", "Ana@example.com", "invalid"}),
			"password": {required, null, {"empty", "", "required"}, {"number", 1, "invalid_type"}, {"wrong", "wrong", "incorrect"}},
		}},
		{"code", "POST /api/users/me/phone/verify", map[string]any{}, 0, map[string][]limit{"code": {required, null, {"number", 1, "invalid_type"}}}},
		{"refresh", "POST /api/auth/refresh", map[string]any{}, 0, map[string][]limit{"refreshToken": {required, null, {"number", 1, "invalid_type"}}}},
		{"logout", "POST /api/auth/logout", map[string]any{}, http.StatusNoContent, map[string][]limit{
			"refreshToken": {required, null, {"number", 1, "invalid_type"}, {"empty", "", ""}},
		}},
		{"batch", "POST /api/users/batch", map[string]any{}, http.StatusOK, map[string][]limit{
			"ids": {
				required, null, {"text", unknownID.String(), "invalid_type"}, {"none", []any{}, ""},
				{"499", ids(499), ""}, {"500", ids(500), ""}, {"501", ids(501), "too_long"},
			},
		}},
	} {
		t.Run(body.name, func(t *testing.T) {
			t.Parallel()
			for field, limits := range body.fields {
				for _, l := range limits {
					w := newWorld(t)
					token := w.admin()
					u, own := w.participant("ana@example.com")
					if strings.Contains(body.route, "/users/me") {
						token = own
					}
					route := strings.Replace(body.route, "{id}", u.ID.String(), 1)
					request := with(body.valid, map[string]any{field: l.value})
					if l.code == "" {
						require.Equal(t, body.success, w.send(route, token, request).Code, "%s: %s", field, l.name)
						continue
					}
					w.requireUnchanged(func() {
						p := w.send(route, token, request).problem(http.StatusUnprocessableEntity, "validation_failed")
						require.Len(t, p.Errors, 1, "%s: %s", field, l.name)
						require.Equal(t, field+" "+l.code, p.Errors[0].Field+" "+p.Errors[0].Code, l.name)
					})
				}
			}
		})
	}
}

func ids(n int) []users.ID {
	many := make([]users.ID, n)
	for i := range many {
		many[i] = unknownID
		many[i][0], many[i][1] = byte(i>>8), byte(i)
	}
	return many
}
