package load

// Counts are operations by outcome.
type Counts struct{ OK, Failed, Unknown int }

// Stats are the finished operations by kind; final reads are not among them.
type Stats struct {
	Total  Counts
	ByKind map[Kind]Counts
}
