package migrate

import (
	"regexp"
	"slices"
	"strings"
)

// statement is one SQL statement, without its comments.
type statement struct {
	tokens  []token
	line    int             // of its first token
	part    int             // of the file, between lines --bun:split
	reasons map[string]bool // rules that a comment allows it to break; also at the end of a file, without tokens
}

// token is a word in lower case, a symbol, a name without its quotes, or a string without its text.
type token struct {
	text   string
	quoted bool // a name or a string: no keyword, whatever it says
}

var (
	// lexeme matches one token at a time; what it does not know is a symbol. Quotes within $$, and nested comments, are no
	// regular language: they are read by hand.
	lexeme = regexp.MustCompile(`(?s)^(?:(\s+)|--([^\n]*)|(/\*)|(\$(?:[\pL_][\pL\d_]*)?\$)|[eE]('(?:[^'\\]|''|\\.)*')|(?:[bBxXnN]|[uU]&)?('(?:[^']|'')*')|` +
		`(?:[uU]&)?"((?:[^"]|"")*)"|([\pL\d_][\pL\d_$]*)|(::|.))`)
	reason = regexp.MustCompile(`^\s*([a-z]+):\s*\S`)
)

// statements reads a script of PostgreSQL, with the directives of bun.
func statements(sql string) []statement {
	var script []statement
	s, line, part := statement{}, 1, 0
	finish := func() {
		if len(s.tokens) > 0 || len(s.reasons) > 0 {
			script = append(script, s)
		}
		s = statement{part: part}
	}
	add := func(t token) {
		if len(s.tokens) == 0 {
			s.line = line
		}
		s.tokens = append(s.tokens, t)
	}
	for sql != "" {
		m := lexeme.FindStringSubmatch(sql)
		length := len(m[0])
		switch {
		case m[1] != "": // space
		case strings.HasPrefix(m[0], "--"):
			if strings.HasPrefix(m[2], "bun:split") {
				part++
				finish()
			} else if r := reason.FindStringSubmatch(m[2]); r != nil {
				if s.reasons == nil {
					s.reasons = make(map[string]bool)
				}
				s.reasons[r[1]] = true
			}
		case m[3] != "":
			length = commentLength(sql)
		case m[4] != "":
			length = dollarLength(sql, m[4])
			add(token{quoted: true})
		case m[5] != "", m[6] != "":
			add(token{quoted: true})
		case strings.HasSuffix(m[0], `"`) && len(m[0]) > 1:
			add(token{text: strings.ReplaceAll(m[7], `""`, `"`), quoted: true})
		case m[9] == ";":
			finish()
		default:
			add(token{text: strings.ToLower(m[8] + m[9])})
		}
		line += strings.Count(sql[:length], "\n")
		sql = sql[length:]
	}
	finish()
	return script
}

// commentLength returns the length of the comment that sql begins with. PostgreSQL's nest.
func commentLength(sql string) int {
	depth := 0
	for i := 0; i < len(sql)-1; i++ {
		switch sql[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(sql)
}

// dollarLength returns the length of the string that sql begins with, between two tags.
func dollarLength(sql, tag string) int {
	if end := strings.Index(sql[len(tag):], tag); end >= 0 {
		return end + 2*len(tag)
	}
	return len(sql)
}

// is reports whether the statement begins with these words.
func (s statement) is(words ...string) bool { return (&cursor{s.tokens}).accept(words...) }

// has reports whether these words come anywhere in the statement, one after the other.
func (s statement) has(words ...string) bool { return cursor{s.tokens}.has(words...) }

// cursor reads tokens.
type cursor struct{ rest []token }

// accept moves past these words and symbols, if they come next.
func (c *cursor) accept(words ...string) bool {
	if len(c.rest) < len(words) {
		return false
	}
	for i, word := range words {
		if c.rest[i].quoted || c.rest[i].text != word {
			return false
		}
	}
	c.rest = c.rest[len(words):]
	return true
}

// acceptAny moves past one of these words, if one comes next.
func (c *cursor) acceptAny(words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return c.accept(word) })
}

func (c cursor) has(words ...string) bool {
	for i := range c.rest {
		if (&cursor{c.rest[i:]}).accept(words...) {
			return true
		}
	}
	return false
}

func (c cursor) hasAny(words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return c.has(word) })
}

// name moves past a name, which may be qualified, and returns it.
func (c *cursor) name() string {
	var parts []string
	for len(c.rest) > 0 {
		parts = append(parts, c.rest[0].text)
		c.rest = c.rest[1:]
		if !c.accept(".") {
			break
		}
	}
	return strings.Join(parts, ".")
}

// list returns what comes between the commas outside brackets.
func (c cursor) list() []cursor {
	var items []cursor
	depth, start := 0, 0
	for i, t := range c.rest {
		switch {
		case t.quoted:
		case t.text == "(":
			depth++
		case t.text == ")":
			depth--
		case t.text == "," && depth == 0:
			items = append(items, cursor{c.rest[start:i]})
			start = i + 1
		}
	}
	return append(items, cursor{c.rest[start:]})
}
