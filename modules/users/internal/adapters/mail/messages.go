// Package mail writes the mails of the module and hands them over. What a mail says and what carries it are apart, so that every
// driver sends the same.
package mail

import (
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// composer writes messages.
type composer struct {
	from      *mail.Address
	publicURL string
	curlHint  bool
}

// compose returns a plain-text message (RFC 5322). It is the same at each try. Its errors carry no address.
func (c composer) compose(m application.Mail) ([]byte, error) {
	// What net/mail says of a bad address repeats it.
	to, err := mail.ParseAddress(m.To)
	if err != nil || to.Address != m.To {
		return nil, errors.New("compose mail: the recipient is not an address")
	}
	subject, text, err := c.text(m)
	if err != nil {
		return nil, err
	}
	host := c.from.Address[strings.LastIndexByte(c.from.Address, '@')+1:]

	var message strings.Builder
	for _, header := range [][2]string{
		{"From", c.from.String()},
		{"To", to.String()},
		{"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Date", m.Time.UTC().Format(time.RFC1123Z)},
		{"Message-ID", "<" + m.ID.String() + "@" + host + ">"},
		{"Auto-Submitted", "auto-generated"}, // no out-of-office answers (RFC 3834)
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		// Not quoted-printable, which breaks long lines and writes = as =3D: links must be readable in the raw message.
		{"Content-Transfer-Encoding", "8bit"},
	} {
		message.WriteString(header[0] + ": " + header[1] + "\r\n")
	}
	message.WriteString("\r\n" + strings.ReplaceAll(text, "\n", "\r\n"))
	return []byte(message.String()), nil
}

// text returns what a mail says. Lines of the text end with LF.
func (c composer) text(m application.Mail) (subject, text string, err error) {
	switch m.Kind {
	case application.MailVerifyEmail:
		// Without a name: it was chosen by whoever typed the address, and a stranger's words must not reach its owner.
		text = fmt.Sprintf(verifyEmail, c.link("/verify-email", m.Token), domain.RegistrationTTL/time.Hour)
		if c.curlHint {
			text += fmt.Sprintf(verifyEmailByCurl, c.publicURL, m.Token)
		}
		return "Confirm your e-mail address", text, nil
	case application.MailAlreadyRegistered:
		name := strings.Join(strings.Fields(m.FirstName), " ")
		return "You already have an account", fmt.Sprintf(alreadyRegistered, name, c.publicURL), nil
	default:
		return "", "", fmt.Errorf("compose mail: no text for kind %q", m.Kind)
	}
}

func (c composer) link(path, token string) string {
	return c.publicURL + path + "?token=" + url.QueryEscape(token)
}

const verifyEmail = `Hello,

an account at Tickr was registered with this address. If that was you,
open this link to confirm the address:

%s

The link works once, for %d hours. If it was not you, do nothing:
without the link nobody can use the account.
`

const verifyEmailByCurl = `
From a terminal:

curl -X POST %s/api/auth/verify-email -H 'Content-Type: application/json' -d '{"token":"%s"}'
`

const alreadyRegistered = `Hello %s,

somebody tried to register at Tickr with this address, which already has an
account: yours. Nothing was changed, and they were not told.

If it was you, log in with the password you have. If you forgot it, ask for
a new one at the login page:

%s

If it was not you, there is nothing to do.
`
