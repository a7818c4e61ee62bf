package load

import "context"

// Load is a running load.
type Load struct{}

// Start validates the options and starts the clients. The context's end stops them as Stop does.
func Start(ctx context.Context, options Options, endpoints Endpoints) (*Load, error) {
	return &Load{}, options.Validate()
}

// Stop ends the clients; operations in flight become unknown. It returns when all have ended, and may be called again.
func (l *Load) Stop() {}

// Pause lets no new operation begin; those in flight go on. PauseAndDrain also waits for them.
func (l *Load) Pause() {}

// Drain waits until no operation is in flight: after Pause, so that a fault meets a quiet cluster.
func (l *Load) Drain(ctx context.Context) error { return nil }

// Resume ends a pause.
func (l *Load) Resume() {}

// Pin makes the first n clients speak to one node alone, and only read if readsOnly: to ask a cut-off old leader.
func (l *Load) Pin(node string, n int, readsOnly bool) {}

// Unpin ends it.
func (l *Load) Unpin() {}

// FinalReads reads every key once, linearizably, each until it is answered or the context ends. After Stop.
func (l *Load) FinalReads(ctx context.Context) error { return nil }

// History is every operation that has ended, ordered by Call.
func (l *Load) History() []Operation { return nil }

// Stats counts them.
func (l *Load) Stats() Stats { return Stats{} }

// AwaitOK waits for n more operations to succeed.
func (l *Load) AwaitOK(ctx context.Context, n int) error { return nil }

// Err is the first error that was not a client's (the recording failed), or nil.
func (l *Load) Err() error { return nil }
