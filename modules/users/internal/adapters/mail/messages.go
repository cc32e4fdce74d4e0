// Package mail writes the mails of the module and hands them over. What a mail says and what carries it are apart, so that every
// driver sends the same.
package mail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/tickr/tickr/modules/users/internal/application"
)

// composer writes messages.
type composer struct {
	from      *mail.Address
	publicURL string
	apiURL    string
}

// newComposer fails when from is not an address.
func newComposer(from, publicURL, apiURL string) (composer, error) {
	address, err := mail.ParseAddress(from)
	if err != nil {
		return composer{}, fmt.Errorf("parse sender of mail: %w", err)
	}
	return composer{from: address, publicURL: publicURL, apiURL: apiURL}, nil
}

// compose returns a plain-text message (RFC 5322). It is the same at each try. eightBit says whether text that is not ASCII may go
// as it is. Its errors carry no address.
func (c composer) compose(m application.Mail, eightBit bool) ([]byte, error) {
	// What net/mail says of a bad address repeats it.
	to, err := mail.ParseAddress(m.To)
	if err != nil || to.Address != m.To {
		return nil, errors.New("compose mail: the recipient is not an address")
	}
	subject, text, err := c.text(m)
	if err != nil {
		return nil, err
	}
	encoding, body := encode(strings.ReplaceAll(text, "\n", "\r\n"), eightBit)
	header := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	header.FromMailAddress(c.from)
	header.ToMailAddress(to)
	header.Subject(subject)
	header.SetDateWithValue(m.Time.UTC())
	header.SetMessageIDWithValue(m.ID.String() + "@" + c.from.Address[strings.LastIndexByte(c.from.Address, '@')+1:])
	header.SetGenHeader("Auto-Submitted", "auto-generated") // no out-of-office answers (RFC 3834)
	header.SetGenHeader(gomail.HeaderContentType, "text/plain; charset=UTF-8")
	header.SetGenHeader(gomail.HeaderContentTransferEnc, encoding.String())
	var message bytes.Buffer
	if _, err := header.WriteTo(&message); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	// The body does not go through go-mail, which writes ASCII as quoted-printable, too.
	message.WriteString("\r\n" + body)
	return message.Bytes(), nil
}

// encode returns how a text travels and what it then looks like: itself wherever possible, because quoted-printable breaks long
// lines and writes = as =3D, and links should be readable in the raw message.
func encode(text string, eightBit bool) (gomail.Encoding, string) {
	if !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) {
		return gomail.EncodingUSASCII, text
	}
	if eightBit {
		return gomail.NoEncoding, text
	}
	var quoted strings.Builder
	w := quotedprintable.NewWriter(&quoted)
	_, _ = io.WriteString(w, text) // a Builder takes everything
	_ = w.Close()
	return gomail.EncodingQP, quoted.String()
}
