package scenario

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"
)

// reportInterval is how often Progress is called: no eye needs more.
const reportInterval = 200 * time.Millisecond

// newClusterID is random even for equal seeds: two runs on one machine must not hear each other.
func newClusterID() string { return strings.ToLower(rand.Text()[:12]) }

// phase notes where the run stands.
func (r *run) phase(name string) {
	r.log.Info("phase", "phase", name)
	var faults []string
	for _, e := range r.ledger.open() {
		faults = append(faults, e.Name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Phase, r.progress.Fault = name, strings.Join(faults, " ")
	if r.load != nil {
		l := r.load
		r.acknowledged = func() int { return l.Stats().Total.OK }
	}
}

// report tells Progress until the returned function is called.
func (r *run) report() (stop func()) {
	if r.o.Progress == nil {
		return func() {}
	}
	quit := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		ticker := time.NewTicker(reportInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				r.o.Progress(r.standing())
			case <-quit:
				return
			}
		}
	})
	return func() {
		close(quit)
		wait.Wait()
	}
}

func (r *run) standing() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.progress
	if r.acknowledged != nil {
		p.OK = r.acknowledged()
	}
	return p
}
