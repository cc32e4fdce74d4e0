package app

import (
	"github.com/tickr/tickr/modules/users/usersfx"
	"github.com/tickr/tickr/platform/httpserver"
)

// OpenAPI returns the document of the whole API, as GET /openapi.json serves it, without configuration or database.
func OpenAPI() ([]byte, error) {
	server, err := httpserver.New(httpserver.Options{Title: title, Version: Version()})
	if err != nil {
		return nil, err
	}
	usersfx.Describe(server.API())
	return server.OpenAPI()
}
