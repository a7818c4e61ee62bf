package cluster

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestStart_PointsLinksAtNodes(t *testing.T) {
	c, links := startFake(t, nil)
	if len(links.upstreams) != 6 {
		t.Fatalf("%d links know their upstream, want 6", len(links.upstreams))
	}
	for _, e := range c.Endpoints() {
		for l, address := range links.upstreams {
			if l.To == e.ID && address != e.RPC {
				t.Errorf("%s leads to %s, want %s", l.Name(), address, e.RPC)
			}
		}
	}
}

func TestRestart_TellsTheLinksOfNewPorts(t *testing.T) {
	c, links := startFake(t, nil)
	if err := c.Kill([]string{"n2"}); err != nil {
		t.Fatal(err)
	}
	if got := c.State("n2"); got != Down {
		t.Fatalf("a killed node is %s", got)
	}
	if err := c.Restart(t.Context(), []string{"n2", "n3"}); err != nil {
		t.Fatal(err)
	}
	for _, e := range c.Endpoints() {
		if e.State != Running {
			t.Errorf("%s is %s after the restart", e.ID, e.State)
		}
		if got := links.upstreams[Link{From: "n1", To: e.ID}]; e.ID != "n1" && got != e.RPC {
			t.Errorf("the link to %s leads to %s, want %s", e.ID, got, e.RPC)
		}
	}
	err := c.Await(t.Context(), "second incarnations", func(s Snapshot) bool { return s.Views["n2"].Starts == 2 && s.Views["n3"].Starts == 2 })
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Unexpected(); len(got) != 0 {
		t.Errorf("asked-for exits count as unexpected: %v", got)
	}
}

func TestBeforeKill_NamesRunningNodesAlone(t *testing.T) {
	var told []string
	c, _ := startFake(t, func(o *Options) { o.BeforeKill = func(nodes []string) { told = append(told, nodes...) } })
	if err := c.Pause(t.Context(), []string{"n2"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill([]string{"n2", "n3"}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, []string{"n3"}) {
		t.Errorf("told of %v, want n3 alone: a paused node answers no scrape", told)
	}
}

func TestPauseResume(t *testing.T) {
	c, _ := startFake(t, nil)
	if err := c.Pause(t.Context(), []string{"n2"}); err != nil {
		t.Fatal(err)
	}
	if is, err := stopped(c.nodes[1].process.Pid()); err != nil || !is {
		t.Errorf("the kernel says stopped=%v (%v) after a pause", is, err)
	}
	if err := c.Pause(t.Context(), []string{"n2"}); err == nil {
		t.Error("a paused node was paused again")
	}
	if err := c.Resume([]string{"n2"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context(), []string{"n2"}); err != nil {
		t.Errorf("a resumed node does not stop cleanly: %v", err)
	}
}

func TestStop_DemandsExitCodeZero(t *testing.T) {
	c, _ := startFake(t, func(o *Options) { o.Flags = map[string]string{"fail": "stop"} })
	if err := c.Stop(t.Context(), []string{"n1"}); err == nil || !strings.Contains(err.Error(), "want exit code 0") {
		t.Errorf("exit code 1 after SIGTERM gave %v", err)
	}
}

func TestUnexpectedExit_IsKept(t *testing.T) {
	c, _ := startFake(t, func(o *Options) { o.Flags = map[string]string{"fail": "later"} })
	c.watches.Wait() // every exit has been looked at
	if got := c.Unexpected(); len(got) != 3 {
		t.Errorf("%d exits kept, want 3: %v", len(got), got)
	}
}

func TestUnknownNode(t *testing.T) {
	c, _ := startFake(t, nil)
	if err := c.Kill([]string{"n9"}); !errors.Is(err, ErrUnknownNode) {
		t.Errorf("killing n9 gave %v", err)
	}
}

func TestStart_TellsRefusedSettingsFromOtherEnds(t *testing.T) {
	opts := fakeOptions(t.TempDir(), fakeBin(t), &fakeLinks{upstreams: map[Link]string{}})
	opts.Flags = map[string]string{"fail": "start"} // exit code 3
	_, err := Start(t.Context(), opts)
	if _, ok := errors.AsType[*SettingsError](err); !ok || !strings.Contains(err.Error(), "fake: told to fail") {
		t.Errorf("exit code 3 before the ready line gave %v", err)
	}
	opts.Dir, opts.Bin = t.TempDir(), fakeBin(t)
	opts.Flags = map[string]string{"http-listen": "nowhere"} // exit code 1
	_, err = Start(t.Context(), opts)
	if _, ok := errors.AsType[*SettingsError](err); ok || err == nil {
		t.Errorf("exit code 1 before the ready line gave %v", err)
	}
}
