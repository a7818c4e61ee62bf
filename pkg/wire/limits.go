package wire

const (
	defaultMaxFrameBytes = 16 << 20
	defaultMaxValues     = 1 << 16
	maxMethodBytes       = 255
)

// Limits bound what a peer can make this side hold. Both are checked while a frame
// arrives, before anything is decoded or allocated for it.
type Limits struct {
	MaxFrameBytes int // the longest frame, header included; 0 = 16 MiB
	MaxValues     int // MessagePack values in one frame, counting containers and map keys; 0 = 65,536
}

func (l Limits) withDefaults() Limits {
	if l.MaxFrameBytes <= 0 {
		l.MaxFrameBytes = defaultMaxFrameBytes
	}
	if l.MaxValues <= 0 {
		l.MaxValues = defaultMaxValues
	}
	return l
}
