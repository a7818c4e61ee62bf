package observe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFeed_AwaitsWhatIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n1.events")
	f := NewFeed(FeedOptions{Interval: time.Millisecond})
	defer f.Stop()
	f.Add("n1", path) // before the file is there
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	leads := func(e Event) bool { return e.Event == EventRole && e.Role == RoleLeader }
	found := make(chan Event, 1)
	go func() {
		e, _, err := f.Await(ctx, 0, leads)
		if err != nil {
			t.Error(err)
		}
		found <- e
	}()
	role := line("a", 2, roleLine)
	write(t, path, line("a", 1, startLine)+role[:10])
	if _, _, err := f.Await(ctx, 0, func(e Event) bool { return e.Event == EventStart }); err != nil {
		t.Fatal(err)
	}
	if node, _, ok := f.Leader(); ok {
		t.Errorf("half a line made %s lead", node)
	}
	write(t, path, role[10:]+line("a", 3, appendLine))
	if e := <-found; e.Seq != 2 {
		t.Errorf("found %+v", e)
	}
	if node, term, ok := f.Leader(); !ok || node != "n1" || term != 1 {
		t.Errorf("leader %s in term %d, %v", node, term, ok)
	}
	position := f.Position()
	write(t, path, `{"seq":4,"inc":"a","mo`+line("b", 1, startLine))
	e, next, err := f.Await(ctx, position, func(Event) bool { return true })
	if err != nil || e.Inc != "b" || next != position+1 {
		t.Errorf("behind the tear: %+v at %d, %v", e, next, err)
	}
	if node, _, ok := f.Leader(); ok {
		t.Errorf("%s leads on after its restart", node)
	}
	if got := len(f.Events(0)); got != 3 {
		t.Errorf("%d events kept, want start, role, start", got)
	}
}

func TestFeed_EndsAwaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n1.events")
	never := func(Event) bool { return false }
	f := NewFeed(FeedOptions{Interval: time.Millisecond})
	f.Add("n1", path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := f.Await(ctx, 0, never); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context's end: %v", err)
	}
	write(t, path, line("a", 2, roleLine))
	if _, _, err := f.Await(t.Context(), 0, never); !errors.Is(err, ErrGap) {
		t.Errorf("of a log with a gap: %v", err)
	}
	f.Stop()
	f.Stop()
	g := NewFeed(FeedOptions{})
	g.Stop()
	if _, _, err := g.Await(t.Context(), 0, never); !errors.Is(err, errFeedStopped) {
		t.Errorf("after Stop: %v", err)
	}
}
