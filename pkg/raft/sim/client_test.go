package sim

import (
	"strings"
	"testing"
	"time"
)

// TestClient_Repeats: a client asks for the same operation until it has its answer, then for the next.
func TestClient_Repeats(t *testing.T) {
	var steps []Step
	plan := quiet(lossy)
	for i := range plan.Requests {
		plan.Requests[i].Client = 0
	}
	report := Run(Options{Service: ledgers{}, Trace: func(s Step) { steps = append(steps, s) }}, plan)
	if report.Failure != nil {
		t.Fatal(report.Failure.Message)
	}
	waits, again, ended := "", 0, map[string]bool{}
	for _, s := range steps {
		if !strings.HasPrefix(s.Text, "c0 ") {
			continue
		}
		_, id, _ := strings.Cut(s.Text, "#")
		id, _, _ = strings.Cut(id, ",")
		switch {
		case s.Kind == Asked && strings.HasPrefix(s.Text, "c0 again"):
			if again++; id != waits {
				t.Fatalf("%v: %s, and #%s waits", s.At, s.Text, waits)
			}
		case s.Kind == Asked:
			if waits != "" || ended[id] {
				t.Fatalf("%v: %s, and #%s waits", s.At, s.Text, waits)
			}
			waits = id
		case s.Kind == Answered && (strings.HasPrefix(s.Text, "c0 done") || strings.HasPrefix(s.Text, "c0 got")):
			if id != waits {
				t.Fatalf("%v: %s, and #%s waits", s.At, s.Text, waits)
			}
			waits, ended[id] = "", true
		}
	}
	if again < 5 || len(ended) < len(plan.Requests) {
		t.Errorf("%d repeats, %d operations ended", again, len(ended))
	}
}

// TestClient_Late: an answer to an attempt that the client gave up counts, and one to an earlier operation does not.
func TestClient_Late(t *testing.T) {
	r := stage(t, quiet(idle), 2*time.Second)
	c := r.clients[0]
	c.ask(Request{Kind: Get})
	first := *c.op
	c.again(first, "n2")
	c.take(first, 1, r.servers[0], reply{elsewhere: true, leader: "n3"})
	if c.op == nil || c.leader != "n2" {
		t.Errorf("a late refusal sends on to %q", c.leader)
	}
	c.take(first, 1, r.servers[0], reply{answer: Answer{Outcome: Done}})
	if c.op != nil || c.leader != "n1" || len(r.history.operations) != 1 {
		t.Errorf("a late answer is lost: %+v", c.op)
	}
	c.ask(Request{Kind: Get})
	c.take(first, 2, r.servers[0], reply{answer: Answer{Outcome: Done}})
	if c.idle() || len(r.history.operations) != 1 {
		t.Error("an answer to the first operation ends the second")
	}
}

// TestReplay: a plan that breaks something is shown whole: itself, what broke, and how it came about.
func TestReplay(t *testing.T) {
	service := doctor(func(made int, m *patient) {
		m.digest = func() uint64 { return m.ledger.Digest() + uint64(made) }
	})
	plan := quiet()
	page := Replay(Options{Service: service}, plan)
	for _, part := range []string{plan.String(), "\n" + StateMachineSafety + " broke at ", "the states of n", "n1", "n2", "n3"} {
		if !strings.Contains(page, part) {
			t.Errorf("%q is missing in\n%s", part, page)
		}
	}
	if page := Replay(Options{Service: ledgers{}}, plan); strings.Contains(page, " broke at ") {
		t.Errorf("a sound run breaks something:\n%s", page)
	}
}
