package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// Clients returns the folder of all of some programs of PostgreSQL for a server of a major version: they are of that version, or of the
// nearest newer one. It looks into binDir, unless that is empty, then into PATH and the usual folders, and obtains nothing.
func Clients(ctx context.Context, binDir string, major int, names ...string) (dir string, err error) {
	return sourcesFor(nil, slog.New(slog.DiscardHandler)).clients(ctx, binDir, major, names)
}

func (s sources) clients(ctx context.Context, binDir string, major int, names []string) (dir string, err error) {
	dirs := s.folders(names[0])
	if binDir != "" {
		dirs = append([]string{binDir}, dirs...)
	}
	var best programs
	for _, dir := range dirs {
		p, err := inspectFor(ctx, dir, s.account, names...)
		if err == nil && p.major >= major && (best.major == 0 || p.major < best.major) {
			best = p
		}
	}
	if best.major == 0 {
		return "", fmt.Errorf("no %s of PostgreSQL %d or later found: install them (e.g. apt-get install postgresql-client-%d), or set PG_BIN_DIR to their folder",
			strings.Join(names, ", "), major, major)
	}
	return best.dir, nil
}
