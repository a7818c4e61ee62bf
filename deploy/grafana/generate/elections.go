package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// elections shows who leads, how leaders come and go, and how well each node
// keeps time: the picture of election churn.
func elections() (dashboard.Dashboard, error) {
	return layout{
		uid:         "whitewater-elections",
		title:       "Whitewater / Elections",
		description: "Who leads, how leaders come and go, and whether heartbeats keep to their limit.",
		annotations: []annotation{
			{
				name: "Leader changes", color: "blue", tags: "node",
				title: "{{node}} won an election",
				expr:  `delta(` + of("raft_last_won_term") + `[$__rate_interval]) > 0`,
			},
			{
				name: "Restarts", color: "orange", tags: "node",
				title: "{{node}} restarted",
				expr:  `changes(` + of("process_start_time_seconds", `job="raft"`) + `[$__rate_interval]) > 0`,
			},
			{
				name: "Faults", color: "red", tags: "fault",
				title: "{{fault}}",
				expr:  `harness_fault_active{cluster="$cluster"} > 0`,
			},
		},
		rows: []row{
			{title: "Who leads", panels: leadership()},
			{title: "Elections", panels: campaigns()},
			{title: "Without a leader", panels: silence()},
			{title: "Heartbeats", panels: heartbeats()},
			{title: "Heartbeats in detail", collapsed: true, panels: heartbeatDetails()},
		},
	}.build()
}

// of selects the series of a metric that belong to the chosen cluster and nodes.
func of(metric string, matchers ...string) string {
	selector := metric + `{cluster="$cluster",node=~"$node"`
	for _, m := range matchers {
		selector += "," + m
	}
	return selector + "}"
}

func leadership() []panel {
	return []panel{
		{
			title: "Roles", unit: units.NoUnit, width: 24, drawing: lanes,
			description: "What each node took itself for. A hole: the node answered no scrape. Two leaders at once are legal while the old one is cut off; two of one term are not.",
			queries: []query{{
				expr: `sum by (node) (` + of("raft_role", `role="pre_candidate"`) +
					` or 2 * ` + of("raft_role", `role="candidate"`) +
					` or 3 * ` + of("raft_role", `role="leader"`) + `)`,
				legend: "{{node}}",
			}},
			states: map[int]state{
				0: {"follower", "semi-dark-blue"},
				1: {"pre-candidate", "yellow"},
				2: {"candidate", "orange"},
				3: {"leader", "green"},
			},
		},
		{
			title: "Term", unit: units.NoUnit, width: 8, drawing: steps,
			description: "Current term of each node. It never falls, not even over a restart; each step is an election that left the pre-vote.",
			queries:     []query{{of("raft_term"), "{{node}}"}},
		},
		{
			title: "Last term won", unit: units.NoUnit, width: 8, drawing: steps,
			description: "Term of the last election that each node won since it started; 0: none. It stays after a step-down. Two nodes at one height above 0 would be two leaders of one term.",
			queries:     []query{{of("raft_last_won_term"), "{{node}}"}},
		},
		{
			title: "Nodes that know each leader", unit: units.Short, width: 8, drawing: steps,
			description: "How many nodes take each member for the leader, itself included. Below the number of nodes that are up: some know no leader, or another one.",
			queries:     []query{{`sum by (leader) (` + of("raft_known_leader") + `)`, "{{leader}}"}},
		},
	}
}

func campaigns() []panel {
	return []panel{
		{
			title: "Elections started", unit: units.Short, width: 8, drawing: bars,
			description: "Pre-votes and votes begun, by reason, counted over the rate interval of each point.",
			queries: []query{{
				`sum by (kind, reason) (increase(` + of("raft_elections_started_total") + `[$__rate_interval]))`,
				"{{kind}}, {{reason}}",
			}},
		},
		{
			title: "Elections finished", unit: units.Short, width: 8, drawing: bars,
			description: "Pre-votes and votes ended, by outcome, counted over the rate interval of each point. Many timed out in a row: votes split, or no majority can be reached.",
			queries: []query{{
				`sum by (kind, outcome) (increase(` + of("raft_elections_finished_total") + `[$__rate_interval]))`,
				"{{kind}}, {{outcome}}",
			}},
		},
		{
			title: "Refused votes", unit: units.Short, width: 8, drawing: bars,
			description: "Votes and pre-votes that a node refused, by reason, counted over the rate interval of each point.",
			queries: []query{{
				`sum by (kind, decision) (increase(` + of("raft_votes_total", `decision!="granted"`) + `[$__rate_interval]))`,
				"{{kind}}, {{decision}}",
			}},
		},
		{
			title: "Leader changes seen", unit: units.Short, width: 8, drawing: bars,
			description: "Changes of the known leader as each node saw them, counted over the rate interval of each point.",
			queries: []query{{
				`sum by (node) (increase(` + of("raft_leader_changes_total") + `[$__rate_interval]))`,
				"{{node}}",
			}},
		},
		{
			title: "Step-downs", unit: units.Short, width: 8, drawing: bars,
			description: "Leaders that gave up leading, by reason, counted over the rate interval of each point. A killed leader counts none.",
			queries: []query{{
				`sum by (reason) (increase(` + of("raft_stepdowns_total") + `[$__rate_interval]))`,
				"{{reason}}",
			}},
		},
		{
			title: "Time from campaign to win", unit: units.Seconds, width: 8, drawing: points,
			description: "Mean over the elections that a node won in the rate interval of each point; nothing where it won none.",
			queries: []query{{
				`sum by (node) (increase(` + of("raft_election_duration_seconds_sum") + `[$__rate_interval]))` +
					` / (sum by (node) (increase(` + of("raft_election_duration_seconds_count") + `[$__rate_interval])) > 0)`,
				"{{node}}",
			}},
		},
	}
}

func silence() []panel {
	return []panel{
		{
			title: "Time without a leader", unit: units.PercentUnit, width: 12, drawing: lines, max: cog.ToPtr(1.0),
			description: "Share of the time in which each node knew no leader. Counted by the node itself, so nothing falls between two scrapes.",
			queries: []query{{
				`rate(` + of("raft_leaderless_seconds_total") + `[$__rate_interval])`, "{{node}}",
			}},
		},
		{
			title: "Timer lateness, p99", unit: units.Seconds, width: 12, drawing: lines,
			description: "How long after its due time a timer fired: the scheduling delay of the node's machine. From half of the election time-out on, elections start for no other reason.",
			queries: []query{{
				`histogram_quantile(0.99, sum by (node, timer, le) (rate(` + of("raft_timer_lateness_seconds_bucket") + `[$__rate_interval])))`,
				"{{node}}, {{timer}}",
			}},
		},
		{
			title: "Age of leader contact", unit: units.Seconds, width: 12, drawing: lines,
			description: "Time since the last accepted message of the leader. Once it passes the drawn election time-out, a follower starts a pre-vote.",
			queries:     []query{{of("raft_leader_contact_age_seconds"), "{{node}}"}},
		},
		{
			title: "Age of quorum contact", unit: units.Seconds, width: 12, drawing: lines,
			description: "On a leader: time since a majority last answered. Once it passes the election time-out, the leader steps down.",
			queries:     []query{{of("raft_quorum_contact_age_seconds"), "{{node}}"}},
		},
	}
}

// heartbeatLimit is the most heartbeats that a node may send to one peer in any second.
func heartbeatLimit() *float64 { return cog.ToPtr(10.0) }

func heartbeats() []panel {
	return []panel{
		{
			title: "Heartbeats sent per peer", unit: units.CountsPerSecond, width: 12, drawing: lines, limit: heartbeatLimit(),
			description: "AppendEntries without entries, mean over the rate interval of each point. The line is the limit of ten in any one second; a mean below it proves nothing, the panel beside it is closer.",
			queries: []query{{
				`rate(` + of("raft_heartbeats_sent_total") + `[$__rate_interval])`, "{{node}} to {{peer}}",
			}},
		},
		{
			title: "Most heartbeats in any one second", unit: units.Short, width: 12, drawing: steps, limit: heartbeatLimit(),
			description: "The highest number in any sliding second since the node started, by its own ring of send times. Above the line the limit is broken.",
			queries: []query{{
				of("raft_heartbeats_per_second_max"), "{{node}} to {{peer}}",
			}},
		},
	}
}

func heartbeatDetails() []panel {
	return []panel{
		{
			title: "Heartbeats beyond the limit", unit: units.Short, width: 8, drawing: lines,
			description: "Heartbeats sent in the last 4.9 s less ten for each second begun on the node's own clock. Above 0 the limit is broken for certain; blind across a restart.",
			queries:     []query{{beyondLimit(), "{{node}} to {{peer}}"}},
			limit:       cog.ToPtr(0.0), signed: true,
		},
		{
			title: "Heartbeats received", unit: units.CountsPerSecond, width: 8, drawing: lines,
			description: "Heartbeats that each node received from its leader.",
			queries: []query{{
				`rate(` + of("raft_heartbeats_received_total") + `[$__rate_interval])`, "{{node}}",
			}},
		},
		{
			title: "Heartbeats suppressed by pacing", unit: units.CountsPerSecond, width: 8, drawing: lines,
			description: "Heartbeats that a leader wanted to send and merged into the next one, to keep the distance between two of them.",
			queries: []query{{
				`rate(` + of("raft_heartbeats_suppressed_total") + `[$__rate_interval])`, "{{node}} to {{peer}}",
			}},
		},
	}
}

// beyondLimit compares two samples by the node's own clock. A span of d seconds
// is covered by ceil(d) seconds of ten heartbeats each, so a positive value is a
// proof. The comparison holds within one incarnation alone.
func beyondLimit() string {
	sent, clock, start := of("raft_heartbeats_sent_total"), of("raft_monotonic_seconds"), of("process_start_time_seconds", `job="raft"`)
	return `(` + sent + ` - ` + sent + ` offset 4900ms)` +
		` - on (cluster, node) group_left () 10 * ceil(` + clock + ` - ` + clock + ` offset 4900ms)` +
		` and on (cluster, node) ` + start + ` == ` + start + ` offset 4900ms`
}
