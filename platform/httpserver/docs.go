package httpserver

import (
	"embed"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/swaggest/swgui/v5/static"
)

const (
	docsPath    = "/docs"
	openAPIPath = "/openapi.json"

	javascript = "text/javascript; charset=utf-8"

	// docsPolicy lets the page load what this server serves, and nothing else.
	docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

//go:embed docs
var docsFiles embed.FS

// registerDocs serves the OpenAPI document and a page to read and try it, which
// asks no other host for anything.
func (s *Server) registerDocs(engine *gin.Engine) error {
	engine.GET(openAPIPath, func(c *gin.Context) {
		document, err := s.OpenAPI()
		if err != nil {
			_ = c.Error(fmt.Errorf("encode the OpenAPI document: %w", err))
			internalError.write(c)
			return
		}
		c.Data(http.StatusOK, "application/json", document)
	})
	engine.GET("/api/docs", func(c *gin.Context) { c.Redirect(http.StatusPermanentRedirect, docsPath) })

	for _, asset := range []struct {
		path, contentType string
		files             embed.FS
		file              string
	}{
		{docsPath, "text/html; charset=utf-8", docsFiles, "docs/index.html"},
		{docsPath + "/init.js", javascript, docsFiles, "docs/init.js"},
		{docsPath + "/swagger-ui-bundle.js", javascript, static.FS, "swagger-ui-bundle.js.gz"},
		{docsPath + "/swagger-ui.css", "text/css; charset=utf-8", static.FS, "swagger-ui.css.gz"},
	} {
		data, err := asset.files.ReadFile(asset.file)
		if err != nil {
			return fmt.Errorf("read an embedded file: %w", err)
		}
		zipped := strings.HasSuffix(asset.file, ".gz")
		engine.GET(asset.path, func(c *gin.Context) {
			c.Header("Content-Security-Policy", docsPolicy)
			c.Header("Cache-Control", "public, max-age=3600")
			if zipped {
				// As the package has it: no browser is without gzip.
				c.Header("Content-Encoding", "gzip")
			}
			c.Data(http.StatusOK, asset.contentType, data)
		})
	}
	return nil
}
