package scenario

import (
	"time"

	"go.yaml.in/yaml/v4"
)

// Scenario is one file: a cluster, its load, what is done to it, and what must hold.
type Scenario struct {
	Name        string      `yaml:"name"` // lower-case words joined by dashes
	Description string      `yaml:"description"`
	Cluster     ClusterSpec `yaml:"cluster"`
	Load        LoadSpec    `yaml:"load"`
	Timeline    []Step      `yaml:"timeline"`
	Expect      Expect      `yaml:"expect"`
	ExpectFail  *ExpectFail `yaml:"expect_fail"` // set: a named check must fail

	source []byte // the file as read
}

// Source is the file's text as it was parsed.
func (s *Scenario) Source() []byte { return s.source }

// ClusterSpec is the cluster to start.
type ClusterSpec struct {
	Nodes  int               `yaml:"nodes"`  // that begin the cluster; with the spares 1 to 9, named n1, n2, …
	Spares int               `yaml:"spares"` // further ones that a step starts, to be added
	Flags  map[string]string `yaml:"flags"`  // raftnode's flags without dashes
	Mutant string            `yaml:"mutant"` // planted bug; needs the mutants' binary
}

// LoadSpec is the clients. A zero is the default of package load.
type LoadSpec struct {
	Clients        int            `yaml:"clients"`
	Keys           int            `yaml:"keys"`            // in use at a time, of each sort
	Rate           float64        `yaml:"rate"`            // operations per second of the whole group; 0: as fast as answers come
	Mix            map[string]int `yaml:"mix"`             // weight by kind: get, put, append, cas, delete
	RequestTimeout Duration       `yaml:"request_timeout"` // of one attempt
	Deadline       Duration       `yaml:"deadline"`        // of one operation with all its attempts
}

// Step is one entry of the timeline. Exactly one action is set; the rest says when, and under which name.
type Step struct {
	Name   string             `yaml:"name"`   // of the fault; default: action and position, such as kill-3
	As     string             `yaml:"as"`     // binds the nodes that the action picked
	At     Duration           `yaml:"at"`     // not before this time since the timeline's start
	After  Duration           `yaml:"after"`  // not before this time since the previous step's end
	Within Duration           `yaml:"within"` // of await, and of picking a role; default 10s
	Effect map[string]float64 `yaml:"effect"` // least effect of a fault; below it the run is unknown

	Await     *Await        `yaml:"await"`
	Bind      *Selector     `yaml:"bind"` // picks nodes and does nothing to them
	Partition *Partition    `yaml:"partition"`
	Drop      *MessageFault `yaml:"drop"`
	Delay     *MessageFault `yaml:"delay"`
	Preset    string        `yaml:"preset"` // lab-unreliable
	Heal      string        `yaml:"heal"`   // a fault's name, or all
	Kill      *Selector     `yaml:"kill"`
	Power     *Selector     `yaml:"power"`
	Stop      *Selector     `yaml:"stop"`
	Restart   *Selector     `yaml:"restart"`
	Pause     *Selector     `yaml:"pause"`
	Resume    *Selector     `yaml:"resume"`
	Snapshot  *Selector     `yaml:"snapshot"` // these take a snapshot now
	Start     *Selector     `yaml:"start"`    // empty, to be added
	Wipe      *Selector     `yaml:"wipe"`     // these are down, and lose their data directories
	Members   *Members      `yaml:"members"`
	Transfer  *Transfer     `yaml:"transfer"`
	Fill      *Fill         `yaml:"fill"`
	Load      string        `yaml:"load"`  // pause (begin no operation), drain (and wait for those begun) or resume
	Pin       *Pin          `yaml:"pin"`   // some clients speak to one node alone
	Unpin     bool          `yaml:"unpin"` // they speak to any again
}

// Await waits until all that it names holds. Counts run from the last step that was no await.
type Await struct {
	Ops         int       `yaml:"ops"`         // acknowledged operations
	Commits     int       `yaml:"commits"`     // entries that the commit index advanced by
	Terms       int       `yaml:"terms"`       // terms begun
	Elected     *Selector `yaml:"elected"`     // one of these has been elected since, and leads
	Leader      *Selector `yaml:"leader"`      // one of these leads
	NotLeader   *Selector `yaml:"not_leader"`  // none of these leads
	Campaigning *Selector `yaml:"campaigning"` // one of these has asked for votes or pre-votes since
	CaughtUp    *Selector `yaml:"caught_up"`   // all of these have committed what anybody had, then
	Truncated   *Selector `yaml:"truncated"`   // all of these have cut off the end of their log since
	Tail        *Tail     `yaml:"tail"`
	Compacted   *Compact  `yaml:"compacted"`
	Snapshot    *Selector `yaml:"snapshot"`  // all of these have taken a snapshot of their own since
	Receiving   *Selector `yaml:"receiving"` // all of these have a part of a leader's snapshot, and not all of it
	Installed   *Selector `yaml:"installed"` // all of these have installed a leader's snapshot since
	Voters      *Selector `yaml:"voters"`    // the voters are exactly these, no change is under way, and all that run know it
	Exited      *Exited   `yaml:"exited"`
	Quiet       Duration  `yaml:"quiet"` // for so long nobody is elected and no term begins, from when all else holds
}

// Tail waits for entries behind the commit index: a leader alone appends and cannot commit.
type Tail struct {
	Of      *Selector `yaml:"of"`
	Entries int       `yaml:"entries"`
}

// Compact waits until logs begin behind what a node that lags has: entries alone do not bring it back.
type Compact struct {
	Of   *Selector `yaml:"of"`
	Past *Selector `yaml:"past"`
}

// Exited waits for processes that end by themselves.
type Exited struct {
	Of     *Selector `yaml:"of"`
	Saying string    `yaml:"saying"` // stands in the last line that each logs
}

// Members asks the leader for other members, all at once. The step ends when the change is over.
type Members struct {
	Add    *Selector `yaml:"add"`
	Remove *Selector `yaml:"remove"`
	Begin  bool      `yaml:"begin"` // the step ends when the change has begun
}

// Transfer asks the leader to hand over. The step ends when the new leader leads, or the transfer has been given up.
type Transfer struct {
	To      *Selector `yaml:"to"`       // one node; none: the leader chooses
	Outage  Duration  `yaml:"outage"`   // the longest time that no write may be acknowledged; 0: any
	GivenUp bool      `yaml:"given_up"` // the leader must give up after an election time-out, and lead on
}

// Fill puts values of its own beside the load's, so that a snapshot has a size.
type Fill struct {
	Keys  int `yaml:"keys"`
	Bytes int `yaml:"bytes"` // of each value
}

// Pin makes the first clients speak to one node alone: to ask a leader that has been cut off.
type Pin struct {
	Node    *Selector `yaml:"node"`
	Clients int       `yaml:"clients"`
	Reads   bool      `yaml:"reads"` // and only read
}

// Partition cuts the links between groups of nodes. Nodes in no group keep all their links.
type Partition struct {
	Groups []Selector `yaml:"groups"`
	Mode   string     `yaml:"mode"`    // black_hole (default) or refuse
	OneWay string     `yaml:"one_way"` // "" both ways; call: the first group cannot call the second; packets: nothing that the first sends reaches the second
}

// MessageFault drops or delays single messages.
type MessageFault struct {
	From        *Selector `yaml:"from"` // callers; default all
	To          *Selector `yaml:"to"`   // callees; default all
	Kind        string    `yaml:"kind"` // request (default) or response
	Method      string    `yaml:"method"`
	Probability *float64  `yaml:"probability"` // default 1
	Delay       Duration  `yaml:"delay"`
	Jitter      Duration  `yaml:"jitter"` // the delay is delay ± jitter
}

// Expect is what must hold beside the built-in checks. Too little load or effect makes a run unknown.
type Expect struct {
	OK        map[string]int `yaml:"ok"`        // least acknowledged operations by kind
	Elections *Bounds        `yaml:"elections"` // leaders elected after the first
	Recovery  Duration       `yaml:"recovery"`  // from the last heal until every node has caught up; default 10s
}

// Bounds are inclusive.
type Bounds struct {
	Min int  `yaml:"min"`
	Max *int `yaml:"max"`
}

// ExpectFail says that the cluster is broken on purpose.
type ExpectFail struct {
	Checks []string `yaml:"checks"` // one of these must fail
	Within Duration `yaml:"within"` // from the start of the load to what the check found; 0 = any time
}

// Duration is a time.Duration written like 500ms or 2s.
type Duration time.Duration

// Of gives the duration, or def when it is zero.
func (d Duration) Of(def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return time.Duration(d)
}

// UnmarshalYAML reads 500ms or 2s.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return badValue("%q is no duration: write it like 500ms or 2s", n.Value)
	}
	if v < 0 {
		return badValue("%s is negative: durations count forward", n.Value)
	}
	*d = Duration(v)
	return nil
}

// defaultWithin bounds an await that does not say.
const defaultWithin = 10 * time.Second
