package e2e

import (
	"net/http"
	"strings"
)

// TestEveryRouteIsGuardedAsItSays walks the routes of the OpenAPI document with every kind of caller.
func (s *Story) TestEveryRouteIsGuardedAsItSays() {
	s.tickr.account(s.env, "nobody-special@example.com", password)
	participant, _ := s.client().logIn("nobody-special@example.com", password)
	paths := s.client().do("GET", "/openapi.json", nil).is(200).JSON["paths"].(map[string]any)
	open, guarded := 0, 0
	for path, operations := range paths {
		for method, operation := range operations.(map[string]any) {
			method, url := strings.ToUpper(method), strings.ReplaceAll(path, "{id}", "00000000-0000-7000-8000-000000000000")
			op := operation.(map[string]any)
			var body, garbage any
			if op["requestBody"] != nil {
				body, garbage = object{}, "{not even JSON"
			}
			anonymous := s.client().do(method, url, body)
			if op["security"] == nil {
				open++
				s.NotEqual("unauthenticated", anonymous.JSON["code"], "%s %s", method, path)
				continue
			}
			guarded++
			anonymous.is(http.StatusUnauthorized, "unauthenticated")
			s.client().as("nonsense").do(method, url, body).is(http.StatusUnauthorized, "unauthenticated")
			allowed := op["description"].(string)
			if !strings.Contains(allowed, "PARTICIPANT") {
				s.client().as(participant).do(method, url, garbage).is(http.StatusForbidden, "forbidden")
			}
		}
	}
	s.Equal(10, open, "registering, verifying, resetting, confirming, logging in and out, refreshing by two paths")
	s.Equal(21, guarded)
}
