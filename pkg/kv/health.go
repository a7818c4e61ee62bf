package kv

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"whitewater/pkg/raft/protocol"
)

// check is one condition of health; a nil error is health.
type check struct {
	name string
	run  func(ctx context.Context) error
}

// liveChecks hold without a quorum: a process that fails one is better restarted.
func (s *Service) liveChecks() []check {
	return []check{
		{"disk", func(context.Context) error { return s.replica.Err() }},
		{"replica", func(context.Context) error {
			select {
			case <-s.replica.Done():
				return fmt.Errorf("the replica has ended")
			default:
				return nil
			}
		}},
	}
}

// readyChecks hold on a node that clients should be sent to.
func (s *Service) readyChecks() []check {
	return []check{
		{"serving", func(context.Context) error {
			if s.stopping.Load() {
				return fmt.Errorf("this node is stopping")
			}
			return nil
		}},
		{"leader", func(context.Context) error {
			if s.replica.Status().Leader == "" {
				return fmt.Errorf("no leader is known")
			}
			return nil
		}},
		{"applied", func(context.Context) error {
			st := s.replica.Status()
			if st.AppliedIndex+protocol.Index(s.options.ReadyLag) < st.CommitIndex {
				return fmt.Errorf("applied %d is over %d behind commit %d", st.AppliedIndex, s.options.ReadyLag, st.CommitIndex)
			}
			return nil
		}},
		{"read", func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, s.options.ReadyTimeout)
			defer cancel()
			return s.linearize(ctx)
		}},
	}
}

func (s *Service) livez(w http.ResponseWriter, r *http.Request) error {
	return answerChecks(w, r, s.liveChecks())
}

func (s *Service) readyz(w http.ResponseWriter, r *http.Request) error {
	return answerChecks(w, r, s.readyChecks())
}

// readyCheck answers /readyz/{check}.
func (s *Service) readyCheck(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(r.URL.Path, "/readyz/")
	for _, c := range s.readyChecks() {
		if c.name == name {
			return answerChecks(w, r, []check{c})
		}
	}
	return refuse(http.StatusNotFound, "not_found", "there is no check %q", name)
}

// answerChecks runs the checks that are not excluded and lists them, one a line.
func answerChecks(w http.ResponseWriter, r *http.Request, checks []check) error {
	values, err := query(r, "exclude")
	if err != nil {
		return err
	}
	for _, name := range values["exclude"] {
		at := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
		if at < 0 {
			return badRequest("exclude=%q: there is no such check", name)
		}
		checks = slices.Delete(checks, at, at+1)
	}
	status := http.StatusOK
	var lines strings.Builder
	for _, c := range checks {
		if err := c.run(r.Context()); err != nil {
			status = http.StatusServiceUnavailable
			fmt.Fprintf(&lines, "[-]%s %v\n", c.name, err)
			continue
		}
		fmt.Fprintf(&lines, "[+]%s ok\n", c.name)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	// An error here is the client's connection: nobody is left to tell.
	_, _ = w.Write([]byte(lines.String()))
	return nil
}
