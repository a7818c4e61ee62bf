//go:build mutants

package kv

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"whitewater/pkg/raft/sim"
)

var update = flag.Bool("update", false, "write docs/mutants.md anew")

const (
	moduleRoot  = "../.."
	mutantsPage = moduleRoot + "/docs/mutants.md"
	mutantSeeds = 500 // within which the simulator is to find a mutant
	soonSeeds   = 100 // within which it had better
)

// The tests that catch what the simulator does not find, or may find no more once plans are drawn otherwise.
const (
	byProtocol  = "pkg/raft/protocol TestMutants"
	byStorage   = "pkg/raft/storage TestMutants"
	byTransport = "pkg/raft/transport TestMutants"
)

// mutant is a rule that can be broken on purpose.
type mutant struct {
	name   string
	breaks string
	source string
	first  bool   // of the set that must always be caught
	other  string // a test that catches it besides, folder and function; empty: the simulator has to
	apart  bool   // the simulator is not asked: it would look for long, and in vain
}

// mutants are all of them, by what they touch. Sources marked ° are cited from memory.
var mutants = []mutant{
	{name: "vote-forgotten", first: true, breaks: "a vote leaves before it is on disk", source: "PySyncObj #202, raft-java #57, akka-raft #62, robustmq #2039"},
	{name: "vote-cleared", first: true, breaks: "hearing the term's leader wipes the vote", source: "etcd #2461, Hazelcast #16643, CCF #5891 #8094"},
	{name: "vote-stale-log", first: true, breaks: "candidates' logs are compared by length alone", source: "noraft #22, akka-raft #51"},
	{name: "vote-twice", breaks: "every candidate of a term gets the vote", source: "§5.2"},
	{name: "vote-late-reply", breaks: "grants of an earlier campaign count in this one", source: "little-raft #44"},
	{name: "no-step-down", first: true, breaks: "a later term in a reply is ignored", source: "NATS #7151, Redpanda #31547"},
	{name: "term-falls", breaks: "a snapshot sets the term back to its own", source: "NATS #5684, jgroups-raft #23"},

	{name: "no-prevote", first: true, breaks: "who hears no leader raises the term without asking first", source: "Cloudflare's outage of 2020-11-02, consul #1782, NATS #5331"},
	{name: "prevote-no-log", breaks: "a pre-vote goes to a log that cannot win", source: "NuRaft #134", other: byProtocol, apart: true},
	{name: "prevote-remembers", breaks: "a leader that is heard no more is protected still", source: "etcd #8334, raft-rs #84, hashicorp #605"},
	{name: "timer-any-rpc", first: true, breaks: "any message puts the election off, even a refused one", source: "goraft #58, dotNext #89, raft-rs #14, Students' Guide°"},
	{name: "heartbeat-storm", first: true, breaks: "each answer is followed by a heartbeat", source: "atomix #1033"},
	{name: "quota-leak", breaks: "what a refused proposal would have taken is not given back", source: "cockroach #31689", other: byProtocol},
	{name: "transfer-stuck", breaks: "a transfer that failed refuses writes for ever", source: "openraft #2088, raft-rs #144, hashicorp #487, canonical #203", other: byProtocol},

	{name: "ae-cuts-always", first: true, breaks: "every AppendEntries cuts the log behind what it follows", source: "CCF #5991, NATS #7209 #7424, Students' Guide°"},
	{name: "ae-keeps-tail", breaks: "a conflict is overwritten and the rest of the old tail stays", source: "mofa #1150"},
	{name: "ae-heartbeat-ok", first: true, breaks: "heartbeats skip the consistency check and succeed", source: "Students' Guide°"},
	{name: "ae-commit-unverified", first: true, breaks: "a tail that was never compared is committed", source: "copycat #265, ScyllaDB #9965 #10578, etcd-raft #139"},
	{name: "ae-ack-own-length", breaks: "a follower's own last index counts as acknowledged", source: "CCF #6001, Truxify #10682"},
	{name: "ae-match-falls", breaks: "a late answer lowers what a follower is known to hold", source: "PySyncObj #167, raftos #25, openraft #2120, etcd #1761", other: byProtocol, apart: true},

	{name: "commit-old-term", first: true, breaks: "entries of earlier terms commit by counting copies", source: "LogCabin #44, canonical #220, async-raft #108, PySyncObj #169, NATS #7955"},
	{name: "commit-no-noop", breaks: "a new leader appends nothing of its own", source: "canonical #336, raftscope #15"},
	{name: "commit-falls", breaks: "a new leader's lower commit index is taken over", source: "PySyncObj #166"},
	{name: "commit-self-unsynced", breaks: "a leader counts itself before its disk is done", source: "etcd #14370, cockroach #144116"},
	{name: "apply-uncommitted", first: true, breaks: "entries are applied as soon as they are appended", source: "Redpanda #5090, Aeron #1898"},

	{name: "ack-before-fsync", first: true, breaks: "what is acknowledged lies in the page cache", source: "NATS #7564 #7567, YugabyteDB #32875, baidu/ins #32"},
	{name: "fsync-retry", first: true, breaks: "a failed fsync is passed over", source: "fsyncgate, FSYNC, cockroach #37102, rostam #94"},
	{name: "term-after-entries", breaks: "entries of a term are on disk before the term is", source: "TigerBeetle #2295, camunda #14518"},
	{name: "torn-tail-fatal", breaks: "an unfinished last record keeps a node from starting", source: "etcd #5230 #6515 #11488, TigerBeetle #1283"},
	{name: "torn-tail-append", first: true, breaks: "new records go behind an unfinished one", source: "cqlite #1390, acoustid-index #157, amelie #17"},
	{name: "bad-middle-cut", breaks: "a damaged record amid good ones passes for the end", source: "PAR, NATS #7549, camunda #6098, pebble #453", other: byStorage},
	{name: "dir-not-synced", breaks: "a file is synced and its name is not", source: "ALICE, etcd #6368 #22340"},

	{name: "snap-no-sessions", first: true, breaks: "snapshots leave the sessions out", source: "openraft #2096, RedisRaft #568, rabbitmq/ra #145"},
	{name: "snap-merges", breaks: "a restored snapshot leaves old keys in place", source: "jgroups-raft #301"},
	{name: "snap-older-wins", first: true, breaks: "a late, older snapshot replaces newer state", source: "openraft #543, etcd #1763, etcd-raft #110"},
	{name: "snap-compact-first", first: true, breaks: "a snapshot is referred to before it is on disk", source: "etcd #12691, verdi #39, RedisRaft #43"},
	{name: "snap-ack-early", breaks: "a snapshot is acknowledged before it is installed", source: "d-engine #308, NATS #6459", other: byProtocol, apart: true},

	{name: "member-before-noop", first: true, breaks: "one server at a time changes without joint consensus, before an entry of the term is committed", source: "Ongaro's erratum of 2015°, copycat #23, AxonIQ #120, openraft #2051", other: byProtocol},
	{name: "member-learner", breaks: "learners count in majorities", source: "etcd #10998, raft-rs #57"},
	{name: "member-lost-on-restart", breaks: "a restart forgets the configurations in the log", source: "andy-yx-chen/jraft #1, camunda #57386, d-engine #431"},
	{name: "member-not-in-snapshot", breaks: "snapshots leave the members out", source: "swarmkit #238, async-raft #133, matrixone #23281"},
	{name: "no-joint", breaks: "new members take the old ones' place in one step", source: "§6", other: byProtocol, apart: true},
	{name: "stranger-counts", breaks: "a node that lost its disk counts as the member that it was", source: "openraft #2002, NATS #5939, RedisRaft #2", other: byProtocol},

	{name: "read-unconfirmed", first: true, breaks: "a leader serves reads without asking a majority", source: "etcd #741, consul #54, d-engine #381, go-dqlite #207"},
	{name: "read-no-noop", first: true, breaks: "a read rests on a commit index of an earlier term", source: "etcd #7331, tikv #6340 #9239, RedisRaft #22"},
	{name: "read-lease-pause", first: true, breaks: "a lease outlives a pause of its holder", source: "sofa-jraft #25 #34, tikv #964, etcd #6005", other: byProtocol},
	{name: "lease-outlives-transfer", breaks: "a lease is kept after another was told to campaign", source: "tikv #1593", other: byProtocol},
	{name: "read-ack-reused", breaks: "answers to earlier requests confirm a later read", source: "etcd #20418, antfly #599, tikv #4764", other: byProtocol},
	{name: "read-shares-index", breaks: "a read joins those that wait, with their older index", source: "tikv #7995"},

	{name: "retry-twice", first: true, breaks: "a repeated write takes effect again", source: "etcd #18424, rabbitmq/ra #145"},
	{name: "dedup-in-leader", breaks: "repeats are told by the leader's memory alone", source: "Curvine #676"},
	{name: "dedup-forgets-answer", breaks: "a repeat is answered by the present state", source: "openraft #2096"},
	{name: "wrong-waiter", first: true, breaks: "whoever waits at an index is told done, whatever lands there", source: "Redpanda #3003, Students' Guide°"},
	{name: "waiter-lost", breaks: "a snapshot leaves those unanswered whose entries it covers", source: "willemt/raft #130, ScyllaDB #29685"},

	{name: "reply-reused", first: true, breaks: "replies are decoded into a used value, which keeps what a later one leaves out", source: "the MIT labs' labgob warning", other: byTransport, apart: true},
}

// found is how the simulator caught a mutant.
type found struct {
	check string
	seeds uint64 // that it took
}

// TestMutants_Simulated: the simulator finds each rule that is broken, within some seeds. With -update it writes the page.
func TestMutants_Simulated(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs thousands of clusters")
	}
	results := map[string]found{}
	for _, m := range mutants {
		if m.apart {
			t.Logf("%s is left to %s", m.name, m.other)
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			failed, totals := firstFailure(sim.Campaign{Options: mutated(m.name), First: 1, Seeds: mutantSeeds})
			switch {
			case failed == nil && m.other == "":
				t.Fatalf("escaped: %v", totals)
			case failed == nil:
				t.Logf("only %s catches it: %v", m.other, totals)
				return
			}
			message, _, _ := strings.Cut(failed.Failure.Message, "\n")
			t.Logf("seed %d: %s: %s", failed.Plan.Seed, failed.Failure.Check, message)
			results[m.name] = found{failed.Failure.Check, failed.Plan.Seed}
		})
	}
	switch {
	case t.Failed():
	case *update:
		if err := os.WriteFile(mutantsPage, []byte(page(results)), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		for _, m := range mutants {
			wantRow(t, m, results[m.name].check, true)
		}
	}
}

// TestMutants_Page: docs/mutants.md has the table's rows, in its order, and no others.
func TestMutants_Page(t *testing.T) {
	text, err := os.ReadFile(mutantsPage)
	if err != nil {
		t.Fatal(err)
	}
	var names, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)`").FindAllStringSubmatch(string(text), -1) {
		names = append(names, row[1])
	}
	for _, m := range mutants {
		want = append(want, m.name)
		wantRow(t, m, "", m.apart)
	}
	if !slices.Equal(names, want) {
		t.Errorf("docs/mutants.md has the mutants %v, want %v: run the command in its first line", names, want)
	}
}

// TestMutants_Agree: the rules that the code can break are those of the table, and of raftnode's --mutant.
func TestMutants_Agree(t *testing.T) {
	var table, nodes []string
	for _, m := range mutants {
		table = append(table, m.name)
		if m.other != byTransport { // which a node has no flag for
			nodes = append(nodes, m.name)
		}
	}
	same(t, "the code", brokenRules(t), table)
	same(t, "raftnode --mutant", flagRules(t), nodes)
}

// TestMutants_OtherTests: each test that is named in the simulator's place exists and knows the mutant.
func TestMutants_OtherTests(t *testing.T) {
	for _, m := range mutants {
		if m.other == "" {
			continue
		}
		folder, function, _ := strings.Cut(m.other, " ")
		if !slices.Contains(stringsIn(t, folder, function), m.name) {
			t.Errorf("%s: no %s in %s speaks of it", m.name, function, folder)
		}
	}
}

func same(t *testing.T, whose string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("%s has\n%v, the table\n%v", whose, got, want)
	}
}

// brokenRules are the names that the code asks Mutation for.
func brokenRules(t *testing.T) (names []string) {
	name := regexp.MustCompile(`utation\.Is\("([^"]*)"\)`)
	err := filepath.WalkDir(filepath.Join(moduleRoot, "pkg"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range name.FindAllSubmatch(text, -1) {
			names = append(names, string(match[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// flagRules are the names that raftnode takes.
func flagRules(t *testing.T) []string {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleRoot, "cmd/raftnode/mutant_on.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			return literals(g)
		}
	}
	t.Fatal("raftnode has no list of mutants")
	return nil
}

// stringsIn are the strings in a test function of a folder.
func stringsIn(t *testing.T, folder, function string) []string {
	paths, err := filepath.Glob(filepath.Join(moduleRoot, folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == function {
				return literals(f)
			}
		}
	}
	return nil
}

func literals(root ast.Node) (all []string) {
	ast.Inspect(root, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if s, err := strconv.Unquote(literal.Value); err == nil {
				all = append(all, s)
			}
		}
		return true
	})
	return all
}

// wantRow holds a mutant's row on the page to the table: whole, but for the seeds, or up to what caught it.
func wantRow(t *testing.T, m mutant, check string, whole bool) {
	t.Helper()
	text, err := os.ReadFile(mutantsPage)
	if err != nil {
		t.Fatal(err)
	}
	want := rowOf(m)
	switch {
	case whole && check != "":
		want += caughtBy(check) + " | "
	case whole:
		want += caughtByOther(m.other)
	}
	if !strings.Contains(string(text), "\n"+want) {
		t.Errorf("docs/mutants.md lacks %q: run the command in its first line, and look at the difference", want)
	}
}

func rowOf(m mutant) string {
	star := ""
	if m.first {
		star = " ★"
	}
	return fmt.Sprintf("| `%s`%s | %s | %s | ", m.name, star, m.breaks, m.source)
}

func caughtBy(check string) string { return "`" + check + "`" }

func caughtByOther(test string) string {
	folder, function, _ := strings.Cut(test, " ")
	return fmt.Sprintf("`%s` of `%s` | |\n", function, folder)
}

// page is docs/mutants.md.
func page(results map[string]found) string {
	var rows strings.Builder
	var all, first tally
	for _, m := range mutants {
		r, ok := results[m.name]
		rows.WriteString(rowOf(m))
		if ok {
			fmt.Fprintf(&rows, "%s | %d |\n", caughtBy(r.check), r.seeds)
		} else {
			rows.WriteString(caughtByOther(m.other))
		}
		all.count(m, r)
		if m.first {
			first.count(m, r)
		}
	}
	return fmt.Sprintf(pageText, soonSeeds, mutantSeeds, all, first, rows.String())
}

// tally counts mutants by how soon the simulator finds them.
type tally struct {
	mutants, soon, late int
	left                []string
}

func (c *tally) count(m mutant, r found) {
	c.mutants++
	switch {
	case r.seeds == 0:
		c.left = append(c.left, "`"+m.name+"`")
	case r.seeds <= soonSeeds:
		c.soon++
	default:
		c.late++
	}
}

func (c tally) String() string {
	return fmt.Sprintf("%d | %d | %d | %s", c.mutants, c.soon, c.late, strings.Join(c.left, ", "))
}

const pageText = `<!-- Code generated by go test -tags mutants ./pkg/kv -run Mutants_Simulated -update; DO NOT EDIT. -->

# Planted bugs

Each of these rules can be broken on purpose in a build with the tag ` + "`mutants`" + `, most as real systems broke them once: a check that
no mutant trips proves little. ` + "`make mutants`" + ` has the simulator run clusters with one rule broken at a time, and fails if one escapes.

| | planted | found within %d seeds | within %d | left to other tests |
|---|---|---|---|---|
| all | %s |
| ★ | %s |

★ marks the set that must always be caught; all 25 of it are planted. ` + "`reply-reused`" + ` lives where replies become values, outside of the
simulator, and is caught over real sockets; no flag of ` + "`raftnode`" + ` plants it. ` + "`member-before-noop`" + ` shows when a voter is cut off between its
vote and the first entry of the leader that it elected, which its own test arranges.

One of them, under a seed, reduced to the least that still fails and drawn:

    go test -tags mutants ./pkg/kv -run '^TestSimulation$' -v -sim.mutant vote-twice -sim.seeds 500 -sim.shrink

The check is the one that spoke first under the first seed that failed, of seeds from 1 on. Sources are issues of the project named:
hashicorp is hashicorp/raft, etcd-raft etcd-io/raft, canonical canonical/raft, cockroach cockroachdb, RedisRaft RedisLabs/redisraft, CCF
microsoft/CCF, NATS nats-server. PAR is Protocol-Aware Recovery (FAST'18), ALICE All File Systems Are Not Created Equal (OSDI'14), FSYNC Can
Applications Recover from fsync Failures (ATC'20). ° is cited from memory; § is the Raft paper, and no bug of anybody's.

| mutant | breaks | source | caught by | seeds |
|---|---|---|---|---|
%s`
