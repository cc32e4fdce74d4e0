package integrity

// council are the administrators. They depose each other, but never the last one.
var council = []string{"council-0@" + domain, "council-1@" + domain, "council-2@" + domain}

const seatPassword = "copper-lantern-orbit"

// assemble makes the members of the council that the program did not make at its start.
func (c *client) assemble() {
	for i, email := range council {
		if i > 0 {
			c.join(email, seatPassword)
		}
		a := c.sit(email)
		c.is(a, "200")
		id := decoded[pair](c, a).User.ID
		c.world.council[email] = id
		c.is(c.call(c.seats[council[0]], "PATCH", "/api/users/"+id, object{"role": "ADMIN"}), "200")
	}
}

// sit logs in as a member of the council.
func (c *client) sit(member string) answer {
	a := c.call("", "POST", "/api/auth/login", object{"email": member, "password": seatPassword})
	if c.is(a, "200", "403 account_deactivated") {
		c.seats[member] = c.paired(a).AccessToken
	}
	return a
}

// asAdmin asks as one member of the council after the other until one may: there always is one.
func (c *client) asAdmin(method, path string, body any, headers ...string) answer {
	for range 100 {
		for _, member := range c.members() {
			if c.seats[member] == "" && c.sit(member).outcome != "200" {
				continue
			}
			a := c.call(c.seats[member], method, path, body, headers...)
			switch a.outcome {
			case "401 session_ended":
				delete(c.seats, member)
			case "403 forbidden":
			default:
				return a
			}
		}
	}
	c.Fail("nobody is an administrator any more")
	return answer{}
}

// members returns the council in any order, those who sit already first: a login costs a password.
func (c *client) members() []string {
	var seated, others []string
	for _, i := range c.draw.Perm(len(council)) {
		if member := council[i]; c.seats[member] != "" {
			seated = append(seated, member)
		} else {
			others = append(others, member)
		}
	}
	return append(seated, others...)
}

// changeCouncil makes a member of the council lose or regain its seat.
func (c *client) changeCouncil() {
	member := pick(c.draw, council...)
	id := c.world.council[member]
	switch c.draw.IntN(6) {
	case 0:
		c.is(c.asAdmin("PATCH", "/api/users/"+id, object{"role": "PARTICIPANT"}), "200", "409 last_admin")
	case 1:
		c.is(c.asAdmin("POST", "/api/users/"+id+"/deactivate", nil), "200", "409 last_admin")
	case 2, 3:
		c.is(c.asAdmin("PATCH", "/api/users/"+id, object{"role": "ADMIN"}), "200")
	default:
		c.is(c.asAdmin("POST", "/api/users/"+id+"/reactivate", nil), "200")
	}
}
