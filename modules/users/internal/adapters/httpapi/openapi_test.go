package httpapi_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type schema struct {
	Type       any
	Format     string
	Ref        string `json:"$ref"`
	Required   []string
	Properties map[string]schema
	Items      *schema
}

type content map[string]struct{ Schema schema }

type operation struct {
	OperationID, Summary, Description string
	Tags                              []string
	Security                          []map[string][]string
	Deprecated                        bool
	Parameters                        []struct{ Name, In string }
	RequestBody                       *struct {
		Required bool
		Content  content
	}
	Responses map[string]struct {
		Content content
		Headers map[string]any
	}
}

type document struct {
	Paths      map[string]map[string]operation
	Components struct{ Schemas map[string]schema }
}

func readDocument(t *testing.T) (d document, raw any) {
	t.Helper()
	text, err := newWorld(t).OpenAPI()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &d))
	require.NoError(t, json.Unmarshal(text, &raw))
	return d, raw
}

// each calls fn with every operation, named like its route.
func (d document) each(fn func(route string, op operation)) {
	for path, operations := range d.Paths {
		for method, op := range operations {
			fn(strings.ToUpper(method)+" "+path, op)
		}
	}
}

func (d document) resolve(s schema) schema {
	if name, isRef := strings.CutPrefix(s.Ref, "#/components/schemas/"); isRef {
		return d.Components.Schemas[name]
	}
	return s
}

// sample puts the unknown ID into a documented path.
func sample(route string) string { return strings.Replace(route, "{id}", unknownID.String(), 1) }

func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	d, _ := readDocument(t)
	guarded, admins := guardedRoutes()
	var routes, ids []string
	d.each(func(route string, op operation) {
		routes, ids = append(routes, route), append(ids, op.OperationID)
		require.NotEmpty(t, op.OperationID, route)
		require.NotEmpty(t, op.Summary, route)
		require.Contains(t, []string{"auth", "me", "users"}, strings.Join(op.Tags, ","), route)
		require.Contains(t, op.Responses, "default", route)
		require.Equal(t, route == "POST /api/auth/refresh-token", op.Deprecated, route)
		if !slices.Contains(guarded, sample(route)) {
			require.Nil(t, op.Security, route)
			return
		}
		require.Equal(t, []map[string][]string{{"bearer": {}}}, op.Security, route)
		require.Contains(t, op.Responses, "401", route)
		require.Contains(t, op.Responses, "403", route)
		require.Equal(t, slices.Contains(admins, sample(route)), op.Description == "Allowed to: ADMIN.", route)
	})
	require.ElementsMatch(t, slices.Collect(maps.Keys(newCrowd(t).requests())), routes, "a route that the other tests do not know")
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), len(routes))
}

func TestDescribedBodies(t *testing.T) {
	t.Parallel()
	d, _ := readDocument(t)
	required := map[string][]string{
		"POST /api/auth/register":               {"email", "firstName", "lastName", "password"},
		"POST /api/auth/verify-email":           {"token"},
		"POST /api/auth/login":                  {"email", "password"},
		"POST /api/auth/refresh":                {"refreshToken"},
		"POST /api/auth/refresh-token":          {"refreshToken"},
		"POST /api/auth/logout":                 {"refreshToken"},
		"POST /api/auth/resend-verification":    {"email"},
		"POST /api/auth/request-reset":          {"email"},
		"POST /api/auth/reset-password":         {"newPassword", "token"},
		"POST /api/auth/confirm-email":          {"token"},
		"POST /api/users/me/email":              {"newEmail", "password"},
		"POST /api/users/me/phone/verification": {},
		"POST /api/users/me/phone/verify":       {"code"},
		"PUT /api/users/me":                     {"firstName", "lastName"},
		"PATCH /api/users/me/password":          {"currentPassword", "newPassword"},
		"POST /api/users":                       {"email", "firstName", "lastName"},
		"POST /api/users/batch":                 {"ids"},
		"PATCH /api/users/{id}":                 {},
		"POST /api/users/{id}/deactivate":       {},
	}
	d.each(func(route string, op operation) {
		want, takesBody := required[route]
		require.Equal(t, takesBody, op.RequestBody != nil, route)
		if !takesBody {
			return
		}
		optional := []string{"POST /api/users/{id}/deactivate", "POST /api/users/me/phone/verification"}
		require.Equal(t, !slices.Contains(optional, route), op.RequestBody.Required, route)
		require.ElementsMatch(t, want, d.resolve(op.RequestBody.Content["application/json"].Schema).Required, route)
	})
}

// What an answer holds is what the document says of it.
func TestDescribedAnswers(t *testing.T) {
	t.Parallel()
	d, _ := readDocument(t)
	d.each(func(route string, op operation) {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			a := newCrowd(t).ask(route)
			described, ok := op.Responses[strings.Fields(a.Result().Status)[0]]
			require.True(t, ok, "answered %d", a.Code)
			for header := range described.Headers {
				require.NotEmpty(t, a.Header().Get(header), header)
			}
			if a.Body.Len() == 0 {
				require.Empty(t, described.Content)
				return
			}
			var got any
			a.into(&got)
			d.requireLike(t, described.Content["application/json"].Schema, got)
		})
	})
}

// requireLike checks that every object has the members of its schema, all of them required and no others.
func (d document) requireLike(t *testing.T, s schema, got any) {
	t.Helper()
	s = d.resolve(s)
	switch got := got.(type) {
	case map[string]any:
		if s.Properties == nil {
			return // a map
		}
		members := slices.Collect(maps.Keys(got))
		require.ElementsMatch(t, slices.Collect(maps.Keys(s.Properties)), members)
		require.ElementsMatch(t, s.Required, members)
		for name, value := range got {
			d.requireLike(t, s.Properties[name], value)
		}
	case []any:
		require.NotNil(t, s.Items)
		for _, item := range got {
			d.requireLike(t, *s.Items, item)
		}
	}
}

func TestDescribedIDsAreUUIDs(t *testing.T) {
	t.Parallel()
	d, _ := readDocument(t)
	require.Equal(t, "uuid", d.Components.Schemas["Profile"].Properties["id"].Format)
	require.Equal(t, "uuid", d.Components.Schemas["BatchOutputBody"].Properties["missing"].Items.Format)
}

func TestEveryReferenceResolves(t *testing.T) {
	t.Parallel()
	d, raw := readDocument(t)
	var used []string
	var walk func(any)
	walk = func(node any) {
		switch node := node.(type) {
		case map[string]any:
			if ref, ok := node["$ref"].(string); ok {
				name, local := strings.CutPrefix(ref, "#/components/schemas/")
				require.True(t, local, ref)
				require.Contains(t, d.Components.Schemas, name)
				used = append(used, name)
			}
			for _, child := range node {
				walk(child)
			}
		case []any:
			for _, child := range node {
				walk(child)
			}
		}
	}
	walk(raw)
	slices.Sort(used)
	require.Equal(t, slices.Sorted(maps.Keys(d.Components.Schemas)), slices.Compact(used), "a schema that nothing refers to")
}
