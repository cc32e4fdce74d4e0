// Package sms writes the text messages of the module and hands them over.
package sms

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// compose returns the text: short enough for one message of 160 characters, and nothing in it but the code is of use to anybody.
func compose(t application.Text) string {
	return fmt.Sprintf("%s is your code at Tickr. It works for %d minutes. Never tell it to anybody: we do not ask for it.",
		t.Code, domain.CodeTTL/time.Minute)
}

// File captures text messages: each is one .txt file, for people and programs to read. It is safe for concurrent use.
//
// A file's name begins with the time of the message, so names sort by it; its first line is the number, and the text follows an empty
// one. A file appears whole, and a message that is sent again replaces its own. Only the account that runs the program can read them.
type File struct{ dir string }

var _ application.Texter = (*File)(nil)

// NewFile returns a driver that writes to a folder, which is made when missing. It fails when that is not possible.
func NewFile(dir string) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make SMS folder: %w", err)
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		return nil, fmt.Errorf("write to SMS folder: %w", err)
	}
	return &File{dir}, nil
}

// Send implements application.Texter.
func (f *File) Send(ctx context.Context, t application.Text) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := filepath.Join(f.dir, t.Time.UTC().Format("20060102T150405.000000Z")+"-"+t.ID.String()+".txt")
	message := fmt.Sprintf("To: %s\n\n%s\n", t.To, compose(t))
	if err := renameio.WriteFile(path, []byte(message), 0o600, renameio.WithTempDir(f.dir)); err != nil {
		return fmt.Errorf("capture text message: %w", err)
	}
	return nil
}

// Off sends nothing. What was queued while there was a driver is refused.
type Off struct{}

var _ application.Texter = Off{}

// Send implements application.Texter.
func (Off) Send(context.Context, application.Text) error {
	return fmt.Errorf("text messages are switched off: %w", application.ErrUndeliverable)
}
