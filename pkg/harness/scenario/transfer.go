package scenario

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/load"
)

// transferred is a transfer of leadership that was asked for.
type transferred struct {
	step     string
	from, to string // to: who leads now; as asked for until then, "" for any
	term     uint64 // in which from led
	preVote  bool   // the nodes ask before they campaign
	asked    int64
	answered int64
	outage   time.Duration // the longest that is allowed; 0: any
	givenUp  bool          // as it was to be
}

// transfer asks the leader to hand over, and sees to it that this has the effect that the step demands.
func (r *run) transfer(ctx context.Context, i int, st *Step) ([]string, error) {
	within := st.Within.Of(defaultWithin)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	t := transferred{
		step: st.Name, outage: time.Duration(st.Transfer.Outage), givenUp: st.Transfer.GivenUp,
		preVote: r.s.Cluster.Flags["pre-vote"] != "false",
	}
	picked, err := r.pick(ctx, i, &Selector{terms: []term{{target: targetLeader}}}, st, nil)
	if err != nil {
		return nil, err
	}
	t.from = picked[0]
	if st.Transfer.To != nil {
		if picked, err = r.pick(ctx, i, st.Transfer.To, st, nil); err != nil {
			return nil, err
		}
		if t.to = picked[0]; len(picked) != 1 || t.to == t.from {
			return nil, fmt.Errorf("%s leads and is to hand over to %v: name one other node", t.from, picked)
		}
	}
	r.note()
	t.term = r.mark.snapshot.Views[t.from].Term
	status, answer, err := r.askTransfer(ctx, &t)
	if err != nil {
		return nil, late(err, "an answer to the transfer", within)
	}
	r.log.Info("transfer answered", "from", t.from, "to", t.to, "status", status, "took", time.Duration(t.answered-t.asked), "answer", string(answer))
	if t.givenUp {
		err = r.abandoned(&t, status, answer)
	} else {
		err = r.handedOver(ctx, &t, status, answer)
	}
	if err != nil {
		return nil, late(err, fmt.Sprintf("a new leader after the transfer from %s", t.from), within)
	}
	r.transfers = append(r.transfers, t)
	if t.givenUp {
		return []string{t.from}, nil
	}
	return []string{t.to}, nil
}

// late makes an error of a passed deadline a stall that a correct cluster would not have had.
func late(err error, what string, within time.Duration) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &stall{what: fmt.Sprintf("%s, for %v", what, within), owed: true}
	}
	return err
}

// askTransfer sends the request and waits for the answer.
func (r *run) askTransfer(ctx context.Context, t *transferred) (status int, answer []byte, err error) {
	var body []byte
	if t.to != "" {
		body = fmt.Appendf(nil, `{"to":%q}`, t.to)
	}
	client := &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // who answers is the point
	}
	defer client.CloseIdleConnections()
	t.asked = load.Monotonic()
	status, answer, err = order(ctx, client, http.MethodPost, r.url(t.from)+"/v1/leader/transfer", body)
	t.answered = load.Monotonic()
	return status, answer, err
}

// handedOver waits for the new leader, and judges how it came to lead.
func (r *run) handedOver(ctx context.Context, t *transferred, status int, answer []byte) error {
	if err := t.accepted(status, answer); err != nil {
		return err
	}
	since := len(r.mark.snapshot.Elections)
	err := r.cluster.Await(ctx, "a new leader", func(s cluster.Snapshot) bool { return len(s.Elections) > since })
	if err != nil {
		return err
	}
	now := r.cluster.Snapshot()
	if err := t.elected(now.Elections[since:]); err != nil {
		return err
	}
	return r.cluster.Await(ctx, "the new leader", func(s cluster.Snapshot) bool { return r.leader(s) == t.to })
}

// accepted judges the answer to a transfer that is to take effect.
func (t *transferred) accepted(status int, answer []byte) error {
	var leads struct {
		Leader string `json:"leader"`
		Term   uint64 `json:"term"`
	}
	switch {
	case status == http.StatusGatewayTimeout, status == http.StatusTemporaryRedirect:
		return &stall{what: fmt.Sprintf("%s to hand over to %s: status %d %s", t.from, t.target(), status, answer), owed: true}
	case status != http.StatusOK:
		return &wrong{fmt.Sprintf("%s refused to hand over to %s: status %d %s", t.from, t.target(), status, answer)}
	}
	if err := json.Unmarshal(answer, &leads); err != nil {
		return &wrong{fmt.Sprintf("%s answered a transfer with %q: %v", t.from, answer, err)}
	}
	switch {
	case t.to != "" && leads.Leader != t.to, leads.Leader == t.from, leads.Leader == "":
		return &stall{what: fmt.Sprintf("%s to lead after the transfer: %s says that %q does", t.target(), t.from, leads.Leader), owed: true}
	case leads.Term <= t.term:
		return &wrong{fmt.Sprintf("%s led term %d, and says that its successor leads term %d", t.from, t.term, leads.Term)}
	}
	t.to = leads.Leader
	return nil
}

func (t *transferred) target() string {
	if t.to == "" {
		return "any"
	}
	return t.to
}

// elected judges the elections since the transfer was asked for: there is one, the target's, in the next term, and it
// did not wait for an election time-out.
func (t *transferred) elected(since []cluster.Election) error {
	switch e := since[0]; {
	case len(since) > 1, e.Node != t.to, e.Term != t.term+1:
		return &stall{what: fmt.Sprintf("one election, of %s in term %d: there were %v", t.to, t.term+1, since), owed: true}
	case e.PreVote && t.preVote:
		return &stall{what: fmt.Sprintf("an election of %s on the word of %s: it came by a time-out", t.to, t.from), owed: true}
	}
	return nil
}

// abandoned judges a transfer to a node that cannot take over.
func (r *run) abandoned(t *transferred, status int, answer []byte) error {
	patience, took := r.flag("election-timeout", defaultElectionTimeout), time.Duration(t.answered-t.asked)
	switch {
	case status != http.StatusGatewayTimeout:
		return &wrong{fmt.Sprintf("%s answered a transfer to %s, which cannot take over, with status %d %s", t.from, t.to, status, answer)}
	case took < patience:
		return &wrong{fmt.Sprintf("%s gave the transfer to %s up after %v, an election time-out is %v", t.from, t.to, took, patience)}
	case took > 2*patience:
		return &stall{what: fmt.Sprintf("%s to give up the transfer to %s: it took %v, an election time-out is %v", t.from, t.to, took, patience), owed: true}
	}
	now := r.cluster.Snapshot()
	if v := now.Views[t.from]; v.Role != "leader" || v.Term != t.term || len(now.Elections) > len(r.mark.snapshot.Elections) {
		return &stall{what: fmt.Sprintf("%s to lead term %d on after the transfer: it is %s in term %d", t.from, t.term, v.Role, v.Term), owed: true}
	}
	return nil
}

// judgeTransfers finds how long the writes stood still over each transfer.
func (r *run) judgeTransfers() {
	if len(r.transfers) == 0 {
		return
	}
	f := check.Finding{Check: findOutage, Verdict: check.Pass}
	longest := time.Duration(0)
	acks := acknowledged(r.load.History())
	for _, t := range r.transfers {
		outage := t.outageIn(acks)
		line := fmt.Sprintf("%s: %s to %s, answered after %v, no write acknowledged for %v", t.step, t.from, t.to,
			time.Duration(t.answered-t.asked).Round(time.Millisecond), outage.Round(time.Millisecond))
		f.Evidence = append(f.Evidence, line)
		if !t.givenUp {
			longest = max(longest, outage)
		}
		if t.outage > 0 && outage > t.outage && f.Verdict == check.Pass {
			f.Verdict, f.When, f.Node = check.Fail, t.asked, t.from
			f.Summary = fmt.Sprintf("%s, at most %v allowed", line, t.outage)
		}
	}
	if f.Verdict == check.Pass {
		f.Summary = fmt.Sprintf("%d transfers, no write acknowledged for %v at most over those that took effect", len(r.transfers), longest.Round(time.Millisecond))
	}
	r.late[findOutage] = true
	r.findings = append(r.findings, f)
}

// ack is a write's acknowledgement.
type ack struct {
	mono int64
	term uint64
}

// acknowledged are the acknowledgements of writes, in order.
func acknowledged(history []load.Operation) []ack {
	var acks []ack
	for _, op := range history {
		if op.Outcome == load.OK && op.Kind.Write() {
			acks = append(acks, ack{op.Return, op.Term})
		}
	}
	slices.SortFunc(acks, func(a, b ack) int { return cmp.Compare(a.mono, b.mono) })
	return acks
}

// outageIn is the longest time between two acknowledgements from the last before the transfer was asked for to the first of
// the new leader; of the old one, behind the answer, if it leads on. Without such a one it is all time there is.
func (t *transferred) outageIn(acks []ack) time.Duration {
	longest, last := int64(0), t.asked
	for _, a := range acks {
		if a.mono < t.asked {
			last = a.mono
			continue
		}
		longest, last = max(longest, a.mono-last), a.mono
		if a.term > t.term || t.givenUp && a.mono > t.answered {
			return time.Duration(longest)
		}
	}
	return math.MaxInt64
}
