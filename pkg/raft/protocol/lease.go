package protocol

import "time"

// A leader with a lease serves reads without asking anybody (thesis §6.4.1): since a majority took its requests for signs of
// life, none of which votes for another within an election time-out of that. The lease counts from when those requests
// were sent and is a tenth shorter than an election time-out: it assumes that clocks run at rates that differ by less
// than that, and that all members have the same ElectionTimeout. A clock that breaks the assumption makes reads stale.

// lease is how long one lasts.
func (o Options) lease() time.Duration { return o.ElectionTimeout - o.ElectionTimeout/10 }

// holdsLease reports whether reads may be served without a confirmation. Whoever was told to campaign does so whatever its
// voters have promised: once TimeoutNow is sent there is no lease in this term.
func (n *Node) holdsLease() bool {
	if !n.opts.LeaseReads || n.role != Leader || n.leaseOver && !n.opts.Mutation.Is("lease-outlives-transfer") {
		return false
	}
	if n.opts.Mutation.Is("read-lease-pause") {
		return true // until the timer finds that no majority answers
	}
	since := majorityValue(n.members.halves, func(id NodeID) time.Time {
		if id == n.opts.ID {
			return n.now
		}
		return n.progress[id].leaseFrom
	}, time.Time.Compare)
	return n.now.Before(since.Add(n.opts.lease()))
}

// promised reports whether this node may have given a leader its word before it was started: what it heard then is
// forgotten, so it votes for nobody until that must be over.
func (n *Node) promised() bool {
	return n.opts.LeaseReads && n.now.Before(n.started.Add(2*n.opts.ElectionTimeout))
}
