package check

// isMajority reports whether the nodes that has holds for are a majority of the voting members: any two majorities
// share one. The members are all nodes of the run.
func (r *Run) isMajority(has func(node string) bool) bool {
	count := 0
	for _, node := range r.Nodes {
		if has(node) {
			count++
		}
	}
	return count > len(r.Nodes)/2
}
