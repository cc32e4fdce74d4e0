package mail

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// letter is what a mail of a kind says. Lines end with LF.
type letter struct {
	subject string
	text    string        // its verbs are the link and its life, or without a path the front end
	path    string        // where the front end redeems the token; empty: the mail carries none
	life    time.Duration // of the link
	api     string        // where a command line redeems the token
	body    string        // what it sends there; its verb is the token
}

// What redeems a token.
const (
	redeem       = `{"token":"%s"}`
	redeemAndSet = `{"token":"%s","newPassword":"..."}`
)

// letters are the mails. None has a name in it but the one whose account is known to be its reader's: a name may be the choice of
// whoever typed the address, and a stranger's words must not reach its owner.
var letters = map[application.MessageKind]letter{
	application.MailVerifyEmail: {
		subject: "Confirm your e-mail address", text: verifyEmail,
		path: "/verify-email", life: domain.RegistrationTTL, api: "/api/auth/verify-email", body: redeem,
	},
	application.MailAlreadyRegistered: {subject: "You already have an account", text: alreadyRegistered},
	application.MailDeactivated:       {subject: "Your account is deactivated", text: deactivated},
	application.MailResetPassword: {
		subject: "Set a new password", text: resetPassword,
		path: "/reset-password", life: domain.ResetTTL, api: "/api/auth/reset-password", body: redeemAndSet,
	},
	application.MailPasswordChanged: {subject: "Your password was changed", text: passwordChanged},
	application.MailInvitation: {
		subject: "You are invited to Tickr", text: invitation,
		path: "/accept-invitation", life: domain.InvitationTTL, api: "/api/auth/reset-password", body: redeemAndSet,
	},
	application.MailConfirmEmail: {
		subject: "Confirm your new e-mail address", text: confirmEmail,
		path: "/confirm-email", life: domain.ConfirmEmailTTL, api: "/api/auth/confirm-email", body: redeem,
	},
	application.MailAddressTaken:         {subject: "You already have an account", text: addressTaken},
	application.MailEmailChangeRequested: {subject: "Your e-mail address is about to change", text: emailChangeRequested},
	application.MailEmailChanged:         {subject: "Your e-mail address was changed", text: emailChanged},
	application.MailPhoneMoved:           {subject: "Your phone number was removed", text: phoneMoved},
}

// text returns what a mail says.
func (c composer) text(m application.Mail) (subject, text string, err error) {
	l, ok := letters[m.Kind]
	switch {
	case !ok:
		return "", "", fmt.Errorf("compose mail: no text for kind %q", m.Kind)
	case m.Kind == application.MailAlreadyRegistered:
		name := strings.Join(strings.Fields(m.FirstName), " ")
		return l.subject, fmt.Sprintf(l.text, name, c.publicURL), nil
	case l.path == "":
		return l.subject, fmt.Sprintf(l.text, c.publicURL), nil
	}
	text = fmt.Sprintf(l.text, c.publicURL+l.path+"?token="+url.QueryEscape(m.Token), inWords(l.life))
	if c.apiURL != "" {
		text += fmt.Sprintf(byCurl, c.apiURL+l.api, fmt.Sprintf(l.body, m.Token))
	}
	return l.subject, text, nil
}

// inWords says how long something lasts, in whole hours or, beyond a day, whole days.
func inWords(d time.Duration) string {
	switch hours := int(d / time.Hour); {
	case hours == 1:
		return "1 hour"
	case hours > 24:
		return fmt.Sprintf("%d days", hours/24)
	default:
		return fmt.Sprintf("%d hours", hours)
	}
}

const byCurl = `
From a terminal:

curl -X POST %s -H 'Content-Type: application/json' -d '%s'
`

const verifyEmail = `Hello,

an account at Tickr was registered with this address. If that was you,
open this link to confirm the address:

%s

The link works once, for %s. If it was not you, do nothing:
without the link nobody can use the account.
`

const alreadyRegistered = `Hello %s,

somebody tried to register at Tickr with this address, which already has an
account: yours. Nothing was changed, and they were not told.

If it was you, log in with the password you have. If you forgot it, ask for
a new one at the login page:

%s

If it was not you, there is nothing to do.
`

const deactivated = `Hello,

somebody tried to register at Tickr with this address. It belongs to an account
that was deactivated, and stays reserved for it. Nothing was changed, and they
were not told.

If it was you and you want to come back, ask an administrator of Tickr to
reactivate the account: your password is still the one it was.

%s

If it was not you, there is nothing to do.
`

const resetPassword = `Hello,

somebody asked for a new password of the account at Tickr with this address.
If that was you, open this link to set one:

%s

The link works once, for %s. It ends all sessions of the account. If it
was not you, do nothing: the password stays as it is.
`

const passwordChanged = `Hello,

the password of your account at Tickr was changed. If that was you, there is
nothing to do.

If it was not you, ask for a new password at the login page at once. That ends
all sessions of the account, whoever has them:

%s
`

const invitation = `Hello,

an account at Tickr was made for you. Open this link to choose a password,
which also confirms this address:

%s

The link works once, for %s. If you expect no such account, do nothing:
without the link nobody can use it.
`

const confirmEmail = `Hello,

somebody asked to make this the address of an account at Tickr. If that was
you, open this link to confirm it:

%s

The link works once, for %s. If it was not you, do nothing: without the
link the account keeps the address it has.
`

const addressTaken = `Hello,

somebody tried to make this the address of an account at Tickr, but it already
has one. Nothing was changed, and they were not told.

If it was you, log in with this address, or ask for a new password at the
login page:

%s

If it was not you, there is nothing to do.
`

const emailChangeRequested = `Hello,

somebody who knows your password asked to give your account at Tickr another
e-mail address. It changes when a link that was mailed there is opened. If that
was you, there is nothing to do here.

If it was not you, ask for a new password at the login page at once. That voids
the link and ends all sessions of the account:

%s
`

const emailChanged = `Hello,

your account at Tickr has another e-mail address now, which was confirmed. This
is the last mail to this one. If that was you, there is nothing to do.

If it was not you, tell us at once:

%s
`

const phoneMoved = `Hello,

somebody else has just proven to have the phone number of your account at
Tickr, by a code that was sent there. The number was removed from your account,
and you can no longer log in with it. Your e-mail address works as before.

If the number is still yours, verify it again in your profile:

%s
`
