// Package httpapi serves the use cases of users over HTTP. A handler parses, asks the application, and says the answer in JSON;
// it decides nothing.
package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/platform/httpserver"
)

// Routes registers the module's routes with an API. Nil requests are not limited.
func Routes(api huma.API, service *application.Service, requests *Requests) {
	h := handlers{api: httpserver.MapErrors(api, problem), service: service, requests: requests}

	public := func(id, method, path, summary string) route {
		return route{id: id, method: method, path: path, summary: summary, tag: "auth"}
	}
	register(h, public("register", "POST", "/auth/register", "Register an account").accepted().crowded(service.Enter), h.register)
	register(h, public("verifyEmail", "POST", "/auth/verify-email", "Verify an e-mail address"), h.verifyEmail)
	register(h, public("resendVerification", "POST", "/auth/resend-verification", "Mail the link to verify an e-mail address again").accepted(), h.resendVerification)
	register(h, public("requestReset", "POST", "/auth/request-reset", "Ask for a link to a new password").accepted(), h.requestReset)
	register(h, public("resetPassword", "POST", "/auth/reset-password", "Set a password by a mailed token"), h.resetPassword)
	register(h, public("confirmEmail", "POST", "/auth/confirm-email", "Confirm a new e-mail address"), h.confirmEmail)
	register(h, public("logIn", "POST", "/auth/login", "Log in").fails(401, 403).crowded(service.EnterToLogIn), h.logIn)
	register(h, public("refresh", "POST", "/auth/refresh", "Exchange a refresh token").fails(401), h.refresh)
	register(h, public("refreshToken", "POST", "/auth/refresh-token", "Exchange a refresh token (old path)").deprecated().fails(401), h.refresh)
	register(h, public("logOut", "POST", "/auth/logout", "End a session").noContent(), h.logOut)

	own := func(uc application.UseCase, id, method, path, summary string) route {
		return route{useCase: uc, id: id, method: method, path: path, summary: summary, tag: "me"}
	}
	register(h, own(application.ViewOwnProfile, "ownProfile", "GET", "/users/me", "View the own profile"), h.ownProfile)
	register(h, own(application.UpdateOwnProfile, "updateOwnProfile", "PUT", "/users/me", "Replace the own profile").fails(409), h.updateOwnProfile)
	register(h, own(application.DeactivateOwn, "deactivateOwn", "DELETE", "/users/me", "Deactivate the own account").fails(409), h.deactivateOwn)
	register(h, own(application.ChangeOwnPassword, "changeOwnPassword", "PATCH", "/users/me/password", "Change the own password"), h.changeOwnPassword)
	register(h, own(application.ChangeOwnEmail, "requestEmailChange", "POST", "/users/me/email", "Ask for another e-mail address").accepted(), h.requestEmailChange)
	register(h, own(application.VerifyOwnPhone, "requestPhoneCode", "POST", "/users/me/phone/verification", "Have a code sent to a phone number").accepted(), h.requestPhoneCode)
	register(h, own(application.VerifyOwnPhone, "verifyPhone", "POST", "/users/me/phone/verify", "Verify a phone number"), h.verifyPhone)
	register(h, own(application.BecomeOrganizer, "becomeOrganizer", "POST", "/users/me/organizer", "Become an organizer"), h.becomeOrganizer)
	register(h, own(application.ViewOwnSessions, "ownSessions", "GET", "/users/me/sessions", "List the own sessions"), h.ownSessions)
	register(h, own(application.EndOwnSession, "endOwnSession", "DELETE", "/users/me/sessions/{id}", "End an own session").noContent().fails(404), h.endOwnSession)
	register(h, own(application.EndOtherSessions, "endOtherSessions", "DELETE", "/users/me/sessions", "End all own sessions but this one").noContent(), h.endOtherSessions)

	admin := func(uc application.UseCase, id, method, path, summary string) route {
		return route{useCase: uc, id: id, method: method, path: path, summary: summary, tag: "users"}
	}
	register(h, admin(application.ListUsers, "listUsers", "GET", "/users", "List users").strictQuery(), h.list)
	register(h, admin(application.CreateUser, "createUser", "POST", "/users", "Create a user").created().fails(409), h.create)
	register(h, admin(application.BatchUsers, "batchUsers", "POST", "/users/batch", "View up to 500 users by ID"), h.batch)
	register(h, admin(application.ViewStats, "userStats", "GET", "/users/stats", "View figures about all users"), h.stats)
	register(h, admin(application.ViewUser, "user", "GET", "/users/{id}", "View a user").fails(404), h.user)
	register(h, admin(application.UpdateUser, "updateUser", "PATCH", "/users/{id}", "Change a user").fails(404, 409, 412), h.update)
	register(h, admin(application.DeactivateUser, "deactivateUser", "POST", "/users/{id}/deactivate", "Deactivate a user").fails(404, 409), h.deactivate)
	register(h, admin(application.ReactivateUser, "reactivateUser", "POST", "/users/{id}/reactivate", "Reactivate a user").fails(404), h.reactivate)
	register(h, admin(application.EndSessions, "endSessions", "DELETE", "/users/{id}/sessions", "End all sessions of a user").noContent().fails(404), h.endSessions)
	register(h, admin(application.ViewTrail, "trail", "GET", "/users/{id}/audit", "View what was done to a user, newest first").strictQuery().fails(404), h.trail)
}

type handlers struct {
	api      huma.API
	service  *application.Service
	requests *Requests
}

// route is what a line of the table says of itself. Without a use case it is open to anybody.
type route struct {
	id, method, path, summary, tag string
	useCase                        application.UseCase
	status                         int
	errors                         []int
	old, rejectUnknownQuery        bool
	enter                          entrance
}

func (r route) accepted() route           { r.status = http.StatusAccepted; return r }
func (r route) created() route            { r.status = http.StatusCreated; return r }
func (r route) noContent() route          { r.status = http.StatusNoContent; return r }
func (r route) deprecated() route         { r.old = true; return r }
func (r route) strictQuery() route        { r.rejectUnknownQuery = true; return r }
func (r route) fails(status ...int) route { r.errors = append(r.errors, status...); return r }

// crowded bounds by enter how many use the route at once. Its use case limits how often, not Requests.
func (r route) crowded(enter entrance) route { r.enter = enter; return r }

// register adds a route to the API, guarded by its use case.
func register[I, O any](h handlers, r route, handler func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		OperationID:                  r.id,
		Method:                       r.method,
		Path:                         "/api" + r.path,
		Summary:                      r.summary,
		Tags:                         []string{r.tag},
		DefaultStatus:                r.status,
		Deprecated:                   r.old,
		Errors:                       append([]int{400, 413, 415, 422, 429, 503}, r.errors...),
		RejectUnknownQueryParameters: r.rejectUnknownQuery,
	}
	switch {
	case r.useCase != "":
		op.Security = []map[string][]string{{httpserver.BearerScheme: {}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
		op.Middlewares = huma.Middlewares{h.guard(r.useCase)}
		op.Description = "Allowed to: " + allowed(r.useCase) + "."
	case r.enter != nil:
		op.Middlewares = huma.Middlewares{h.admitOneOf(r.enter)}
	default:
		op.Middlewares = huma.Middlewares{h.limitNetwork}
	}
	if strings.Contains(r.path, "{id}") {
		op.Middlewares = append(op.Middlewares, h.requireID)
	}
	huma.Register(h.api, op, handler)
}

// allowed lists the roles that may use uc, for people.
func allowed(uc application.UseCase) string {
	var names []string
	for _, role := range users.Roles() {
		if (application.Actor{Role: role}).May(uc) == nil {
			names = append(names, string(role))
		}
	}
	return strings.Join(names, ", ")
}
