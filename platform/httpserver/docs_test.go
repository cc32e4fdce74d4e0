package httpserver_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/httpserver"
)

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := start(t)
	r := s.send(t, http.MethodGet, "/openapi.json", "")
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	document, err := s.OpenAPI()
	require.NoError(t, err)
	require.Equal(t, string(document), r.Text)
	require.NotContains(t, r.Text, "$schema")

	var parsed struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string                `json:"operationId"`
			Security    []map[string][]string `json:"security"`
			Responses   map[string]struct {
				Content map[string]struct {
					Schema struct {
						Ref string `json:"$ref"`
					} `json:"schema"`
				} `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
		Components struct {
			Schemas         map[string]any               `json:"schemas"`
			SecuritySchemes map[string]map[string]string `json:"securitySchemes"`
		} `json:"components"`
	}
	require.NoError(t, json.Unmarshal(document, &parsed))
	require.Regexp(t, `^3\.1\.`, parsed.OpenAPI)
	require.Equal(t, map[string]string{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}, parsed.Components.SecuritySchemes["bearer"])
	require.Contains(t, parsed.Components.Schemas, "Problem")
	require.Contains(t, parsed.Components.Schemas, "FieldError")
	require.NotContains(t, parsed.Components.Schemas, "ErrorModel")
	require.Len(t, parsed.Paths, 5)
	for path, methods := range parsed.Paths {
		require.True(t, strings.HasPrefix(path, "/api/"), path)
		for method, operation := range methods {
			problem := operation.Responses["default"].Content["application/problem+json"]
			require.Equal(t, "#/components/schemas/Problem", problem.Schema.Ref, "%s %s", method, path)
		}
	}
	require.Equal(t, []map[string][]string{{httpserver.BearerScheme: {}}}, parsed.Paths["/api/guarded"]["get"].Security)
}

func TestDocsAskNoOtherHost(t *testing.T) {
	t.Parallel()
	s := start(t)
	r := s.send(t, http.MethodGet, "/api/docs", "")
	require.Equal(t, http.StatusPermanentRedirect, r.StatusCode)
	require.Equal(t, "/docs", r.Header.Get("Location"))

	page := s.send(t, http.MethodGet, "/docs", "")
	require.Equal(t, http.StatusOK, page.StatusCode)
	policy := page.Header.Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'")
	require.NotContains(t, policy, "unsafe")
	require.NotContains(t, policy, "http")
	require.NotContains(t, page.Text, "://")
	require.NotRegexp(t, `<script>|<style|\son\w+=`, page.Text, "the policy refuses inline code")

	assets := regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllStringSubmatch(page.Text, -1)
	require.Len(t, assets, 3)
	for _, asset := range assets {
		r := s.send(t, http.MethodGet, asset[1], "", "Accept-Encoding", "gzip")
		require.Equal(t, http.StatusOK, r.StatusCode, asset[1])
		require.Regexp(t, `^text/(javascript|css); charset=utf-8$`, r.Header.Get("Content-Type"))
		text := r.Text
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(strings.NewReader(text))
			require.NoError(t, err)
			plain, err := io.ReadAll(unzipped)
			require.NoError(t, err)
			text = string(plain)
		}
		require.NotEmpty(t, text)
		if asset[1] == "/docs/init.js" {
			require.Contains(t, text, "validatorUrl: null")
			require.NotContains(t, text, "://")
		}
	}
}
