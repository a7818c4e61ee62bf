package protocol

import "fmt"

// PeerState is how a leader replicates to a peer.
type PeerState string

// The states of a peer.
const (
	Probe     PeerState = "probe"     // one request at a time, until the logs are known to agree somewhere
	Replicate PeerState = "replicate" // up to a window of requests, each begun where the one before ends
	Install   PeerState = "snapshot"  // chunks of a snapshot, as the peer's next entry is gone from the log
)

// peerTrigger is what can change a peer's state.
type peerTrigger string

const (
	logsAgree         peerTrigger = "logs_agree"         // a consistency check succeeded
	logsDiffer        peerTrigger = "logs_differ"        // one failed
	requestLost       peerTrigger = "request_lost"       // entries got no answer; a probe is sent again as it was
	entriesGone       peerTrigger = "entries_gone"       // the next entry is behind the log's beginning
	snapshotInstalled peerTrigger = "snapshot_installed" // the peer has it
	snapshotDropped   peerTrigger = "snapshot_dropped"   // there is a newer one, another peer waits while chunks are lost, or a stranger answers
)

var peerTransitions = map[PeerState]map[peerTrigger]PeerState{
	Probe: {
		logsAgree:   Replicate,
		logsDiffer:  Probe,
		entriesGone: Install,
	},
	Replicate: {
		logsAgree:   Replicate,
		logsDiffer:  Probe,
		requestLost: Probe,
		entriesGone: Install,
	},
	Install: {
		snapshotInstalled: Replicate,
		snapshotDropped:   Probe,
	},
}

// become is the only place that writes a peer's state. Each spell of probing has an epoch of its own: answers of an
// earlier one move nothing back.
func (p *progress) become(trigger peerTrigger) {
	to, ok := peerTransitions[p.state][trigger]
	if !ok {
		panic(fmt.Sprintf("transition table: %s cannot happen to a peer in state %s", trigger, p.state))
	}
	if to != Replicate {
		p.epoch++
	}
	if to != Install {
		p.sending = sending{}
	}
	p.state = to
}
