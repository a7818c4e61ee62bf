package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/cluster"
)

// partition cuts the links between the groups that the step names.
func (r *run) partition(ctx context.Context, i int, st *Step) error {
	p := *st.Partition
	var groups [][]string
	var taken []string
	var names []string
	for k := range p.Groups {
		group, err := r.pick(ctx, i, &p.Groups[k], st, taken)
		if err != nil {
			return err
		}
		for _, n := range group {
			if slices.Contains(taken, n) {
				return fmt.Errorf("%s is in two groups of the partition: exclude it with not, or write rest", n)
			}
		}
		taken = append(taken, group...)
		groups = append(groups, group)
		names = append(names, p.Groups[k].String())
	}
	e, err := r.begin(ctx, st, strings.Join(names, " | "), nil, cutLinks(groups, p.OneWay))
	if err != nil {
		return err
	}
	e.Direction = check.DirectionBoth
	if p.OneWay != "" {
		e.Direction = p.OneWay
	}
	return r.net.Partition(ctx, st.Name, groups, p)
}

// cutLinks are the ordered pairs that a partition cuts; one way, those from the first group to the second.
func cutLinks(groups [][]string, oneWay string) []cluster.Link {
	var links []cluster.Link
	for a, from := range groups {
		for b, to := range groups {
			if a == b || oneWay != "" && a > b {
				continue
			}
			for _, f := range from {
				for _, t := range to {
					links = append(links, cluster.Link{From: f, To: t})
				}
			}
		}
	}
	return links
}

// disturb puts a message fault on the links between two sets of nodes.
func (r *run) disturb(ctx context.Context, i int, st *Step) error {
	f, m := st.disturbance()
	all := &Selector{terms: []term{{target: targetAll}}}
	ends := [2][]string{}
	for k, s := range []*Selector{f.From, f.To} {
		if s == nil {
			s = all
		}
		nodes, err := r.pick(ctx, i, s, st, nil)
		if err != nil {
			return err
		}
		ends[k] = nodes
	}
	var links []cluster.Link
	for _, l := range r.cluster.Links() {
		if slices.Contains(ends[0], l.From) && slices.Contains(ends[1], l.To) {
			links = append(links, l)
		}
	}
	if len(links) == 0 {
		return errors.New("no link leads from one of these nodes to another of them")
	}
	if _, err := r.begin(ctx, st, fmt.Sprintf("%d links", len(links)), nil, links); err != nil {
		return err
	}
	return r.net.Disturb(ctx, st.Name, links, m)
}

func (r *run) preset(ctx context.Context, st *Step) error {
	links := r.cluster.Links()
	if _, err := r.begin(ctx, st, st.Preset, nil, links); err != nil {
		return err
	}
	return r.net.LabUnreliable(ctx, links)
}

// heal ends one link fault, or all of them.
func (r *run) heal(ctx context.Context, name string) error {
	var ending []*entry
	for _, e := range r.ledger.open() {
		if healable(e.action) && (name == healAll || e.Name == name) {
			ending = append(ending, e)
		}
	}
	if len(ending) == 0 && name != healAll {
		return fmt.Errorf("%s is not in force: it has been healed before", name)
	}
	r.note()
	for _, e := range ending {
		if err := r.healOne(ctx, e); err != nil {
			return fmt.Errorf("heal %s: %w", e.Name, err)
		}
	}
	return r.end(ctx, ending)
}

func (r *run) healOne(ctx context.Context, e *entry) error {
	switch e.action {
	case "partition":
		return r.net.EndPartition(ctx, e.Name)
	case "preset":
		return r.net.EndLabUnreliable(ctx)
	}
	return r.net.EndDisturb(ctx, e.Name)
}
