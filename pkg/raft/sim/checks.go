package sim

// The names of checks. The first five are Figure 3's.
const (
	ElectionSafety     = "ElectionSafety"
	LeaderAppendOnly   = "LeaderAppendOnly"
	LogMatching        = "LogMatching"
	LeaderCompleteness = "LeaderCompleteness"
	StateMachineSafety = "StateMachineSafety"

	VoteOnce        = "VoteOnce"
	TermMonotonic   = "TermMonotonic"
	TermAdopted     = "TermAdopted"
	CommitMonotonic = "CommitMonotonic"
	CommitMajority  = "CommitMajority"
	Durability      = "Durability"
	StorageRecovers = "StorageRecovers"
	ExactlyOnce     = "ExactlyOnce"
	Acknowledged    = "Acknowledged"
	FreshReads      = "FreshReads"
	Linearizable    = "Linearizable"
	HeartbeatLimit  = "HeartbeatLimit"
	Liveness        = "Liveness"
	Calm            = "Calm"
	Convergence     = "Convergence"
	NoPanic         = "NoPanic"
	Deterministic   = "Deterministic"
)

// Check is one promise that every run is held to.
type Check struct {
	Name string
	Says string
	When string // it is looked at
}

// Checks are all of them.
var Checks = []Check{
	{ElectionSafety, "at most one node leads a term (§5.2)", "a node takes office"},
	{LeaderAppendOnly, "a leader never cuts its own log (§5.3)", "each input"},
	{LogMatching, "entries of equal index and term are equal, and so are those before them (§5.3)", "each entry that goes to a disk"},
	{LeaderCompleteness, "a leader's log holds every entry committed before; nothing committed is ever cut; only entries of a leader's own term commit by counting (§5.4)", "a node takes office, each input, each commit"},
	{StateMachineSafety, "every node applies the same entry at an index, only once it is committed, with the same effect and the same state after it (§5.4.3)", "each entry applied; whole states at every sixteenth where batches end alike, each restore, the end"},
	{VoteOnce, "a data directory votes for one candidate in a term, over restarts too (§5.2)", "each vote that leaves or is counted"},
	{TermMonotonic, "a node's term never falls, over restarts too (§5.1)", "each input, each start"},
	{TermAdopted, "whoever is shown a later term enters it (§5.1)", "each answer"},
	{CommitMonotonic, "commit and applied index never fall within a process", "each input"},
	{CommitMajority, "what a leader commits a majority of each half of its configuration has on disk", "each commit of a leader"},
	{Durability, "what a node voted, entered or acknowledged is on its disk when it starts again", "each start"},
	{StorageRecovers, "no fault that is not one of the disk's keeps a node from starting or going on", "each start, each write"},
	{ExactlyOnce, "an operation of a session takes place at one index only, however often it is repeated; a live session is never forgotten", "each entry applied, each answer"},
	{Acknowledged, "what a client is told was done took place at an index that is committed, with that answer; what it is told was refused did not", "each answer"},
	{FreshReads, "a read rests on an index no lower than what was committed when it began (§8)", "each read's end"},
	{Linearizable, "all answers together fit some order of the operations, each between its call and its return", "once, at the end"},
	{HeartbeatLimit, "no node sends a peer more than ten heartbeats in any second", "each heartbeat"},
	{Liveness, "once a majority is healed something commits in time, whatever the rest does", "the end of the faults"},
	{Calm, "a healed majority loses its leader once at most, whatever the rest does; not asked where pre-vote is off (thesis §4.2.3, §9.6)", "the end of the faults"},
	{Convergence, "once all is healed every member holds and applies the same, and every client gets its answer", "the end"},
	{Deterministic, "two runs of a plan do the same", "the end of the second"},
	{NoPanic, "no node breaks its own invariants", "each input"},
}
