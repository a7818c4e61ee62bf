package chaos

import "fmt"

// direction is that of bytes on a link: upstream from client to server, downstream back.
type direction int

const (
	upstream direction = iota
	downstream
)

func (d direction) String() string { return [...]string{"upstream", "downstream"}[d] }

func (d direction) opposite() direction { return 1 - d }

// DecisionHash names the function behind every decision that falls to chance. A change of the function is a
// change of the name: recorded seeds mean something else then.
const DecisionHash = "whitewater-fnv1a64-splitmix64-v1"

// decisionKey says what is decided about: the n-th (from 1) request of that method on that link since that fault
// came into force, or the reply to it; or, for a toxic, the n-th connection.
type decisionKey struct {
	purpose string // "fate" or "jitter": one key, two independent draws
	fault   string
	link    string
	dir     direction
	method  string
	n       uint64
}

// draw returns a number in [0, 1) that depends on the seed and the key alone.
func draw(seed uint64, k decisionKey) float64 {
	h := fnvWord(fnvOffset, seed)
	for _, s := range [...]string{k.purpose, k.fault, k.link, k.dir.String(), k.method} {
		h = fnvWord(h, uint64(len(s))) // lengths keep ("a", "bc") and ("ab", "c") apart
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * fnvPrime
		}
	}
	return float64(splitmix(fnvWord(h, k.n))>>11) / (1 << 53)
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// fnvWord adds w's eight bytes, the lowest first.
func fnvWord(h, w uint64) uint64 {
	for range 8 {
		h = (h ^ w&0xff) * fnvPrime
		w >>= 8
	}
	return h
}

// splitmix spreads FNV's weak high bits (Steele, Lea, Flood 2014).
func splitmix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (k decisionKey) String() string {
	return fmt.Sprintf("%s %s %s %s %s #%d", k.purpose, k.fault, k.link, k.dir, k.method, k.n)
}
