package check

import (
	"slices"
	"strings"

	"whitewater/pkg/harness/load"
)

// settle prepares the operations of one key for the search and narrows those of unknown outcome, without
// changing whether the history is linearizable:
//
//   - failed operations, stale reads and reads without an answer say nothing and go;
//   - an unknown write whose unique value some read saw took effect before that read ended, at the revision
//     that the read saw;
//   - an unknown append that no read saw may as well come after all reads, and goes;
//   - an unknown put or compare-and-set that no read saw goes if nothing else can have noticed it.
//
// A key that is both appended to and overwritten is left as it is, but for the first.
func settle(ops []load.Operation) []load.Operation {
	ops = slices.DeleteFunc(slices.Clone(ops), func(op load.Operation) bool {
		return op.Outcome == load.Failed || op.Stale || op.Kind == load.Get && op.Outcome != load.OK
	})
	seen, silent := map[string]sight{}, false
	switch sortOf(ops) {
	case appendOnly:
		seen, silent = seenTokens(ops), true
	case overwritten:
		seen, silent = seenValues(ops), unnoticeable(ops)
	case mixed:
		return ops
	}
	return slices.DeleteFunc(ops, func(op load.Operation) bool {
		_, visible := seen[op.Input]
		return op.Outcome == load.Unknown && op.Input != "" && !visible && silent
	})
}

// keySort tells how a key's value comes about.
type keySort int

const (
	mixed keySort = iota
	appendOnly
	overwritten // no appends
)

func sortOf(ops []load.Operation) keySort {
	appends, others := 0, 0
	for _, op := range ops {
		switch {
		case op.Kind == load.Append:
			appends++
		case op.Kind.Write():
			others++
		}
	}
	switch {
	case others == 0 && appends > 0:
		return appendOnly
	case appends == 0:
		return overwritten
	}
	return mixed
}

// sight says that a value was there when a read ended, and at which revision it came (0: not known).
type sight struct {
	by       int64
	revision uint64
}

func (s *sight) earlier(by int64) {
	if s.by == 0 || by < s.by {
		s.by = by
	}
}

// seenTokens narrows the unknown appends that reads saw, and returns all that were seen.
func seenTokens(ops []load.Operation) map[string]sight {
	seen := map[string]sight{}
	for _, op := range ops {
		if op.Kind != load.Get || op.Output == "" {
			continue
		}
		for token := range strings.SplitAfterSeq(op.Output, ";") {
			s := seen[token]
			s.earlier(op.Return)
			if strings.HasSuffix(op.Output, token) { // the last one made this revision
				s.revision = op.Revision
			}
			seen[token] = s
		}
	}
	narrow(ops, seen)
	return seen
}

// seenValues does the same for puts and compare-and-sets; one that was seen has swapped.
func seenValues(ops []load.Operation) map[string]sight {
	seen := map[string]sight{}
	for _, op := range ops {
		if op.Kind == load.Get && op.Found {
			s := seen[op.Output]
			s.earlier(op.Return)
			s.revision = op.Revision
			seen[op.Output] = s
		}
	}
	narrow(ops, seen)
	return seen
}

func narrow(ops []load.Operation, seen map[string]sight) {
	for i := range ops {
		op := &ops[i]
		s, visible := seen[op.Input]
		if op.Outcome != load.Unknown || op.Input == "" || !visible {
			continue
		}
		// A value that was seen before its write began stays unknown: the search will find that out.
		if s.by >= op.Call {
			op.Return, op.Revision = s.by, s.revision
			op.Outcome, op.Swapped = load.OK, op.Kind == load.CAS
		}
	}
}

// unnoticeable reports whether a write that no read saw has left no other trace: no deletion found something
// there, and each compare-and-set met, or was told, a revision that a known write made.
func unnoticeable(ops []load.Operation) bool {
	made := map[uint64]bool{}
	for _, op := range ops {
		if op.Outcome == load.OK && (op.Kind == load.Put || op.Kind == load.CAS && op.Swapped) {
			made[op.Revision] = true
		}
	}
	return !slices.ContainsFunc(ops, func(op load.Operation) bool {
		switch op.Kind {
		case load.Delete:
			return op.Outcome == load.OK && op.Found
		case load.CAS:
			met := op.Revision
			if op.Swapped {
				met = op.Expect
			}
			return op.Outcome == load.OK && met != 0 && !made[met]
		}
		return false
	})
}
