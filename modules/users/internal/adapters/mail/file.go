package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/tickr/tickr/modules/users/internal/application"
)

// Options says where captured mail goes and what it contains.
type Options struct {
	Dir       string // made when missing
	From      string // an address, with or without a name
	PublicURL string // what links begin with, without a slash at the end
	APIURL    string // where a command line redeems the token of a mail, which then shows it; empty: it does not
}

// File captures mail: each is one .eml file, for people and programs to read. It is safe for concurrent use.
//
// A file's name begins with the time of the mail, so names sort by it. A file appears whole, and a mail that is sent again
// replaces its own. Only the account that runs the program can read them: they hold tokens.
type File struct {
	dir      string
	composer composer
}

var _ application.Mailer = (*File)(nil)

// NewFile returns a driver that writes to o.Dir. It fails when that is not possible, or when From is not an address.
func NewFile(o Options) (*File, error) {
	composer, err := newComposer(o.From, o.PublicURL, o.APIURL)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make mail folder: %w", err)
	}
	probe, err := os.CreateTemp(o.Dir, ".probe-*")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		return nil, fmt.Errorf("write to mail folder: %w", err)
	}
	return &File{dir: o.Dir, composer: composer}, nil
}

// Send implements application.Mailer.
func (f *File) Send(ctx context.Context, m application.Mail) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	message, err := f.composer.compose(m, true)
	if err != nil {
		return err
	}
	name := m.Time.UTC().Format("20060102T150405.000000Z") + "-" + m.ID.String() + ".eml"
	// Lines end as in any text file here (a maildir does the same): people cut links out of it with the tools of the shell.
	message = bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n"))
	if err := renameio.WriteFile(filepath.Join(f.dir, name), message, 0o600, renameio.WithTempDir(f.dir)); err != nil {
		return fmt.Errorf("capture mail: %w", err)
	}
	return nil
}
