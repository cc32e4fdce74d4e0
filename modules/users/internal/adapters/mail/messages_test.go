package mail

import (
	"io"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/application"
)

const (
	publicURL = "https://tickr.example"
	apiURL    = "http://127.0.0.1:3000"
	token     = "qL8v-2_Zk3Xw9bN1mPf7RtYcUaHsGd5EoJiKlMnOpQr"
)

func testComposer(t *testing.T, from string) composer {
	t.Helper()
	c, err := newComposer(from, publicURL, "")
	require.NoError(t, err)
	return c
}

func sample(kind application.MessageKind) application.Mail {
	return application.Mail{
		ID: uuid.MustParse("0190a6e0-7c3b-7abc-8def-0123456789ab"), Kind: kind, To: "ana@example.org", FirstName: "Ana", Token: token,
		Time: time.Date(2026, 5, 1, 13, 0, 0, 123_456_000, time.FixedZone("Tunis", 3600)),
	}
}

// read parses a message as a mail program does.
func read(t *testing.T, raw []byte) (mail.Header, string) {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(string(raw)))
	require.NoError(t, err)
	body, err := io.ReadAll(message.Body)
	require.NoError(t, err)
	return message.Header, string(body)
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	raw, err := testComposer(t, "Tickr <no-reply@tickr.example>").compose(sample(application.MailVerifyEmail), true)
	require.NoError(t, err)
	header, _ := read(t, raw)
	require.Equal(t, mail.Header{
		"From":                      {`"Tickr" <no-reply@tickr.example>`},
		"To":                        {"<ana@example.org>"},
		"Subject":                   {"Confirm your e-mail address"},
		"Date":                      {"Fri, 01 May 2026 12:00:00 +0000"},
		"Message-Id":                {"<0190a6e0-7c3b-7abc-8def-0123456789ab@tickr.example>"},
		"Auto-Submitted":            {"auto-generated"},
		"Mime-Version":              {"1.0"},
		"Content-Type":              {"text/plain; charset=UTF-8"},
		"Content-Transfer-Encoding": {"7bit"},
	}, header)
	_, err = header.Date()
	require.NoError(t, err)

	again, err := testComposer(t, "Tickr <no-reply@tickr.example>").compose(sample(application.MailVerifyEmail), true)
	require.NoError(t, err)
	require.Equal(t, raw, again, "a retry is the same message")
}

func TestLinesAreThoseOfMail(t *testing.T) {
	t.Parallel()
	c := testComposer(t, "Tickr <no-reply@tickr.example>")
	c.apiURL = apiURL
	for kind := range letters {
		m := sample(kind)
		m.FirstName = strings.Repeat("\U0001F600", 100) // the longest a name can be
		raw, err := c.compose(m, true)
		require.NoError(t, err)
		text := string(raw)
		require.True(t, strings.HasSuffix(text, "\r\n"))
		require.Equal(t, strings.Count(text, "\r\n"), strings.Count(text, "\n"))
		require.Equal(t, strings.Count(text, "\r\n"), strings.Count(text, "\r"))
		for line := range strings.SplitSeq(text, "\r\n") {
			require.LessOrEqual(t, len(line), 998)
		}
	}
}

func TestVerifyEmail(t *testing.T) {
	t.Parallel()
	const link = publicURL + "/verify-email?token=" + token
	const curl = "curl -X POST " + apiURL + "/api/auth/verify-email -H 'Content-Type: application/json' -d '{\"token\":\"" + token + "\"}'"

	c := testComposer(t, "no-reply@tickr.example")
	raw, err := c.compose(sample(application.MailVerifyEmail), true)
	require.NoError(t, err)
	_, body := read(t, raw)
	require.Contains(t, strings.Split(body, "\r\n"), link)
	require.Contains(t, body, "24 hours")
	require.NotContains(t, body, "curl")
	require.NotContains(t, body, "Ana", "the name is the stranger's choice")

	c.apiURL = apiURL
	raw, err = c.compose(sample(application.MailVerifyEmail), true)
	require.NoError(t, err)
	_, body = read(t, raw)
	lines := strings.Split(body, "\r\n")
	require.Contains(t, lines, link)
	require.Contains(t, lines, curl)
}

// Each kind says where its token is to be redeemed, and none says it that carries no token.
func TestTexts(t *testing.T) {
	t.Parallel()
	c := testComposer(t, "no-reply@tickr.example")
	c.apiURL = apiURL
	const post, json = "curl -X POST " + apiURL + "/api/auth/", " -H 'Content-Type: application/json' -d '{\"token\":\"" + token + "\""
	for kind, want := range map[application.MessageKind]struct{ subject, path, life, curl string }{
		application.MailVerifyEmail:          {"Confirm your e-mail address", "/verify-email", "24 hours", post + "verify-email" + json + "}'"},
		application.MailAlreadyRegistered:    {"You already have an account", "", "", ""},
		application.MailResetPassword:        {"Set a new password", "/reset-password", "1 hour", post + "reset-password" + json + `,"newPassword":"..."}'`},
		application.MailPasswordChanged:      {"Your password was changed", "", "", ""},
		application.MailInvitation:           {"You are invited to Tickr", "/accept-invitation", "7 days", post + "reset-password" + json + `,"newPassword":"..."}'`},
		application.MailConfirmEmail:         {"Confirm your new e-mail address", "/confirm-email", "24 hours", post + "confirm-email" + json + "}'"},
		application.MailAddressTaken:         {"You already have an account", "", "", ""},
		application.MailEmailChangeRequested: {"Your e-mail address is about to change", "", "", ""},
		application.MailEmailChanged:         {"Your e-mail address was changed", "", "", ""},
		application.MailPhoneMoved:           {"Your phone number was removed", "", "", ""},
	} {
		raw, err := c.compose(sample(kind), true)
		require.NoError(t, err)
		header, body := read(t, raw)
		require.Equal(t, want.subject, header.Get("Subject"), kind)
		require.Equal(t, kind == application.MailAlreadyRegistered, strings.Contains(body, "Ana"), "%s: a name may be a stranger's choice", kind)
		require.NotContains(t, body, "%!", "%s", kind)
		lines := strings.Split(body, "\r\n")
		if want.path == "" {
			require.NotContains(t, body, token, kind)
			require.Contains(t, lines, publicURL, kind)
			continue
		}
		require.Contains(t, lines, publicURL+want.path+"?token="+token, kind)
		require.Contains(t, lines, want.curl, kind)
		require.Contains(t, body, want.life, kind)
	}
}

func TestAlreadyRegistered(t *testing.T) {
	t.Parallel()
	c := testComposer(t, "no-reply@tickr.example")
	c.apiURL = apiURL
	raw, err := c.compose(sample(application.MailAlreadyRegistered), true)
	require.NoError(t, err)
	header, body := read(t, raw)
	require.Equal(t, "You already have an account", header.Get("Subject"))
	require.True(t, strings.HasPrefix(body, "Hello Ana,\r\n"))
	require.Contains(t, strings.Split(body, "\r\n"), publicURL)
	require.NotContains(t, string(raw), token)
}

func TestDeactivated(t *testing.T) {
	t.Parallel()
	c := testComposer(t, "no-reply@tickr.example")
	raw, err := c.compose(sample(application.MailDeactivated), true)
	require.NoError(t, err)
	header, body := read(t, raw)
	require.Equal(t, "Your account is deactivated", header.Get("Subject"))
	require.Contains(t, body, "ask an administrator")
	require.NotContains(t, body, "Ana")
	require.NotContains(t, string(raw), token)
}

// Whatever a server takes, links can be read in the raw message.
func TestEncodings(t *testing.T) {
	t.Parallel()
	c := testComposer(t, "no-reply@tickr.example")
	verify, ascii, other := sample(application.MailVerifyEmail), sample(application.MailAlreadyRegistered), sample(application.MailAlreadyRegistered)
	other.FirstName = "Zoé"
	for name, tt := range map[string]struct {
		mail     application.Mail
		eightBit bool
		encoding string
		line     string
	}{
		"link":                            {verify, true, "7bit", publicURL + "/verify-email?token=" + token},
		"link, to an old server":          {verify, false, "7bit", publicURL + "/verify-email?token=" + token},
		"ASCII name":                      {ascii, true, "7bit", publicURL},
		"ASCII name, to an old server":    {ascii, false, "7bit", publicURL},
		"name beyond":                     {other, true, "8bit", publicURL},
		"name beyond, to an old server":   {other, false, "quoted-printable", publicURL},
		"greeting beyond, to an old one":  {other, false, "quoted-printable", "Hello Zo=C3=A9,"},
		"greeting beyond, to a newer one": {other, true, "8bit", "Hello Zoé,"},
	} {
		raw, err := c.compose(tt.mail, tt.eightBit)
		require.NoError(t, err, name)
		header, body := read(t, raw)
		require.Equal(t, tt.encoding, header.Get("Content-Transfer-Encoding"), name)
		require.Contains(t, strings.Split(body, "\r\n"), tt.line, name)
		if tt.encoding == "8bit" {
			continue
		}
		for _, b := range raw {
			require.Less(t, b, byte(0x80), name)
		}
	}

	plain, err := c.compose(other, true)
	require.NoError(t, err)
	_, want := read(t, plain)
	quoted, err := c.compose(other, false)
	require.NoError(t, err)
	_, body := read(t, quoted)
	got, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	c := testComposer(t, "no-reply@tickr.example")
	for name, greeting := range map[string]string{
		"Ana\r\nBcc: victim@example.org":   "Hello Ana Bcc: victim@example.org,",
		"Ana\n\n.\n":                       "Hello Ana .,",
		"\r\n\r\n":                         "Hello ,",
		`"Ana" <x@example.org>`:            `Hello "Ana" <x@example.org>,`,
		"Zoé 世界 \U0001F600":                "Hello Zoé 世界 \U0001F600,",
		"=?utf-8?q?=0D=0ABcc:_x?=":         "Hello =?utf-8?q?=0D=0ABcc:_x?=,",
		"%s%d%!":                           "Hello %s%d%!,",
		"Ana\u2028Content-Type: text/html": "Hello Ana Content-Type: text/html,",
	} {
		m := sample(application.MailAlreadyRegistered)
		m.FirstName = name
		raw, err := c.compose(m, true)
		require.NoError(t, err)
		header, body := read(t, raw)
		require.Len(t, header, 9)
		require.Equal(t, greeting, strings.SplitN(body, "\r\n", 2)[0])
	}
}

func TestNameOfSenderIsEncoded(t *testing.T) {
	t.Parallel()
	raw, err := testComposer(t, `"Tickr – Événements" <no-reply@tickr.example>`).compose(sample(application.MailVerifyEmail), true)
	require.NoError(t, err)
	header, _ := read(t, raw)
	for _, c := range header.Get("From") {
		require.Less(t, c, rune(0x80))
	}
	from, err := header.AddressList("From")
	require.NoError(t, err)
	require.Equal(t, []*mail.Address{{Name: "Tickr – Événements", Address: "no-reply@tickr.example"}}, from)
}

func TestUncomposable(t *testing.T) {
	t.Parallel()
	c := testComposer(t, "no-reply@tickr.example")
	for _, to := range []string{
		"", "victim", "victim@example.org\r\nBcc: other@example.org", "victim@example.org, other@example.org",
		"Victim <victim@example.org>", " victim@example.org", "victim@example.org\n", "victim@example.org (hi)",
	} {
		m := sample(application.MailVerifyEmail)
		m.To = to
		_, err := c.compose(m, true)
		require.Error(t, err, "%q", to)
		require.NotContains(t, err.Error(), "victim")
	}

	_, err := c.compose(sample("poem"), true)
	require.ErrorContains(t, err, `"poem"`)
	require.NotContains(t, err.Error(), "ana@")
}
