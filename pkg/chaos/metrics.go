package chaos

import (
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"whitewater/pkg/wire"
)

// latencyBuckets are those of every latency in this project.
func latencyBuckets() []float64 {
	return []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10}
}

// actionBlackHole is the action label's value beside the types of message faults: a partition swallowed the frame.
const actionBlackHole = ModeBlackHole

// What can be in force on a link: the values of the fault label.
func faultTypes() []string {
	return []string{
		FaultDrop, FaultDelay, FaultError, actionBlackHole, ModeRefuse,
		ToxicLatency, ToxicBandwidth, ToxicTimeout, ToxicResetPeer, ToxicNoop,
	}
}

const otherMethod = "other"

// metrics is the server's registry. State (what is enabled, in force, how many bytes) is read at scrape
// time by stateCollector; what is counted event by event lives in the vectors here.
type metrics struct {
	registry       *prometheus.Registry
	connections    *prometheus.CounterVec
	frames         *prometheus.CounterVec
	watched        *prometheus.CounterVec
	affected       *prometheus.CounterVec
	matched        *prometheus.CounterVec
	protocolErrors *prometheus.CounterVec
	delay          *prometheus.HistogramVec
	forward        *prometheus.HistogramVec
	apiRequests    *prometheus.CounterVec
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: latencyBuckets()}, []string{"link"})
	}
	m := &metrics{
		registry:       prometheus.NewRegistry(),
		connections:    counter("chaosproxy_connections_total", "Connections by what became of them: accepted and not refused, refused at accept (fault, limit or unknown upstream), dial to the upstream failed, reset by the proxy later.", "link", "result"),
		frames:         counter("chaosproxy_frames_total", "Frames fully received from their sender, before any fault.", "link", "kind", "method"),
		watched:        counter("chaosproxy_watch_frames_total", "Frames fully received from their sender, before any fault, that match a watch.", "link", "watch"),
		affected:       counter("chaosproxy_frames_affected_total", "Frames to which a message fault or a partition did something.", "link", "kind", "action"),
		matched:        counter("chaosproxy_faults_matched_total", "Times that a fault of this type took effect: frames, or connections for toxics and refusals, or for a black hole on a byte link.", "link", "fault"),
		protocolErrors: counter("chaosproxy_protocol_errors_total", "Connections of a msgpack-rpc link closed for what they carried.", "link"),
		delay:          histogram("chaosproxy_injected_delay_seconds", "From a frame's receipt to its forwarding, of frames delayed by a message fault."),
		forward:        histogram("chaosproxy_forward_duration_seconds", "From a frame's receipt to the end of its writing, of frames without a fault."),
		apiRequests:    counter("chaosproxy_api_requests_total", "Requests to the control API by class of status code.", "code"),
	}
	for _, class := range []string{"2xx", "4xx", "5xx"} {
		m.apiRequests.WithLabelValues(class)
	}
	m.registry.MustRegister(m.connections, m.frames, m.watched, m.affected, m.matched, m.protocolErrors, m.delay, m.forward, m.apiRequests,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// linkMetrics are one link's series. All exist from the link's creation on.
type linkMetrics struct {
	all        *metrics
	name       string
	maxMethods int

	received, sent [2]atomic.Uint64 // bytes by direction; toxiproxy_* shows the same

	accepted, refused, dialFailed, reset prometheus.Counter
	protocolErrors                       prometheus.Counter
	delay, forward                       prometheus.Observer
	matched                              map[string]prometheus.Counter
	affected                             map[affectedKey]prometheus.Counter

	mu      sync.Mutex // guards methods, frames, removed
	removed bool       // a connection that ends late must not bring the series back
	methods map[string]bool
	frames  map[frameKey]prometheus.Counter
}

type affectedKey struct {
	kind   wire.Kind
	action string
}

type frameKey struct {
	kind   wire.Kind
	method string
}

func (m *metrics) addLink(name string, maxMethods int) *linkMetrics {
	l := &linkMetrics{
		all:            m,
		name:           name,
		maxMethods:     maxMethods,
		accepted:       m.connections.WithLabelValues(name, "accepted"),
		refused:        m.connections.WithLabelValues(name, "refused"),
		dialFailed:     m.connections.WithLabelValues(name, "dial_failed"),
		reset:          m.connections.WithLabelValues(name, "reset"),
		protocolErrors: m.protocolErrors.WithLabelValues(name),
		delay:          m.delay.WithLabelValues(name),
		forward:        m.forward.WithLabelValues(name),
		matched:        make(map[string]prometheus.Counter),
		affected:       make(map[affectedKey]prometheus.Counter),
		methods:        make(map[string]bool),
		frames:         make(map[frameKey]prometheus.Counter),
	}
	for _, fault := range faultTypes() {
		l.matched[fault] = m.matched.WithLabelValues(name, fault)
	}
	for _, kind := range []wire.Kind{wire.Request, wire.Response, wire.Notification} {
		for _, action := range []string{FaultDrop, FaultDelay, FaultError, actionBlackHole} {
			l.affected[affectedKey{kind, action}] = m.affected.WithLabelValues(name, kind.String(), action)
		}
		l.frameCounter(kind, otherMethod)
	}
	return l
}

// remove takes the link's series away.
func (l *linkMetrics) remove() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removed = true
	link := prometheus.Labels{"link": l.name}
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{l.all.connections, l.all.frames, l.all.watched, l.all.affected, l.all.matched, l.all.protocolErrors, l.all.delay, l.all.forward} {
		v.DeletePartialMatch(link)
	}
}

// frameCounter returns the counter of frames of that kind and method. Past the limit of names it is "other"'s.
func (l *linkMetrics) frameCounter(kind wire.Kind, method string) prometheus.Counter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if method != otherMethod && !l.methods[method] {
		if len(l.methods) >= l.maxMethods || !utf8.ValidString(method) {
			method = otherMethod
		} else {
			l.methods[method] = true
		}
	}
	key := frameKey{kind, method}
	c, ok := l.frames[key]
	if !ok && l.removed {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "removed"})
	}
	if !ok {
		c = l.all.frames.WithLabelValues(l.name, kind.String(), method)
		l.frames[key] = c
	}
	return c
}

// expect makes the series of a method that a watch or a fault names, so that they are there before its first frame.
func (l *linkMetrics) expect(method string) {
	if method != "" {
		l.frameCounter(wire.Request, method)
		l.frameCounter(wire.Response, method)
	}
}

func (l *linkMetrics) watch(name string) prometheus.Counter {
	return l.all.watched.WithLabelValues(l.name, name)
}
