package sim

import (
	"strings"
	"testing"
	"time"
)

// TestRegister: what each operation may be told, and what it makes of a key.
func TestRegister(t *testing.T) {
	absent, a, ab := contentOf(Value{}), contentOf(Value{true, "a"}), contentOf(Value{true, "ab"})
	said := func(o Outcome) outcome { return outcome{answer: o, known: true} }
	read := func(c content) outcome { return outcome{Done, c, true} }
	for _, c := range []struct {
		name   string
		before content
		op     Operation
		out    outcome
		fits   bool
		after  content
	}{
		{"put", absent, Operation{Kind: Put, Value: "a"}, said(Done), true, a},
		{"put over", ab, Operation{Kind: Put, Value: "a"}, said(Done), true, a},
		{"append", a, Operation{Kind: Append, Value: "b"}, said(Done), true, ab},
		{"append to nothing", absent, Operation{Kind: Append, Value: "a"}, said(Done), true, a},
		{"append unknown", a, Operation{Kind: Append, Value: "b"}, outcome{}, true, ab},
		{"create", absent, Operation{Kind: Create, Value: "a"}, said(Done), true, a},
		{"create what is there", a, Operation{Kind: Create, Value: "ab"}, said(NotFound), true, a},
		{"create what is there, done", a, Operation{Kind: Create, Value: "ab"}, said(Done), false, a},
		{"create, not done", absent, Operation{Kind: Create, Value: "a"}, said(NotFound), false, a},
		{"create unknown", a, Operation{Kind: Create, Value: "ab"}, outcome{}, true, a},
		{"delete", a, Operation{Kind: Delete}, said(Done), true, absent},
		{"get", a, Operation{Kind: Get}, read(a), true, a},
		{"get nothing", absent, Operation{Kind: Get}, read(absent), true, absent},
		{"get another", a, Operation{Kind: Get}, read(ab), false, a},
		{"get what is absent", absent, Operation{Kind: Get}, read(contentOf(Value{Present: true})), false, absent},
	} {
		fits, after := register.Step(c.before, c.op, c.out)
		if fits != c.fits || after != any(c.after) {
			t.Errorf("%s: %t, %v, want %t, %v", c.name, fits, after, c.fits, c.after)
		}
	}
}

// TestJudge: every answer has to fit one order; what was never answered may have taken effect, late or not at all.
func TestJudge(t *testing.T) {
	type asked struct {
		client, call, end int // end 0: never answered
		op                Operation
		got               string // of Get; empty: the key is absent
	}
	put := func(value string) Operation { return Operation{Kind: Put, Key: "k1", Value: value} }
	get := Operation{Kind: Get, Key: "k1"}
	for _, c := range []struct {
		name  string
		asked []asked
		fails bool
	}{
		{"in order", []asked{{0, 1, 2, put("a"), ""}, {1, 3, 4, get, "a"}}, false},
		{"a stale read", []asked{{0, 1, 2, put("a"), ""}, {1, 3, 4, get, ""}}, true},
		{"at the same time", []asked{{0, 1, 5, put("a"), ""}, {1, 2, 3, get, ""}}, false},
		{"and then back", []asked{{0, 1, 9, put("a"), ""}, {1, 2, 3, get, "a"}, {1, 4, 5, get, ""}}, true},
		{"unanswered, and late", []asked{{0, 1, 0, put("a"), ""}, {1, 2, 3, get, ""}, {1, 4, 5, get, "a"}}, false},
		{"unanswered, and never", []asked{{0, 1, 0, put("a"), ""}, {1, 2, 3, get, ""}}, false},
		{"an unanswered read is nothing", []asked{{0, 1, 0, get, ""}, {1, 2, 3, get, ""}}, false},
		{"out of thin air", []asked{{0, 1, 0, put("a"), ""}, {1, 2, 3, get, "b"}}, true},
	} {
		r := newRun(Options{}, quiet())
		for _, a := range c.asked {
			client := newClient(r, a.client)
			client.began = time.Duration(a.call)
			if a.end == 0 {
				client.op = &a.op
				r.clients = append(r.clients, client)
				continue
			}
			r.now = time.Duration(a.end)
			r.history.ended(client, a.op, reply{answer: Answer{Outcome: Done}, value: Value{a.got != "", a.got}})
		}
		r.judge()
		if failed := r.failure != nil; failed != c.fails {
			t.Errorf("%s: %+v", c.name, r.failure)
		}
		if r.failure != nil && (r.failure.Check != Linearizable || !strings.HasSuffix(r.failure.Message, "key k1")) {
			t.Errorf("%s: %+v", c.name, r.failure)
		}
	}
}
