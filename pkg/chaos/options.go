package chaos

import (
	"log/slog"
	"time"

	"whitewater/pkg/wire"
)

// Options configure a Server. The zero value is usable.
type Options struct {
	Seed    uint64       // of everything that falls to chance
	Logger  *slog.Logger // nil discards
	Limits  Limits
	Version string // what /version reports beside Toxiproxy's; "" = "devel"

	DialTimeout  time.Duration // for one connection to an upstream; 0 = 5 s
	ProxyMetrics bool          // expose toxiproxy_* series in addition
}

// Limits bound what one process can be made to hold.
type Limits struct {
	MaxConnections   int // per link; more are reset; 0 = 4096
	MaxBufferedBytes int // per connection and direction, waiting in delays and toxics; at the bound the proxy stops reading; 0 = 1 MiB
	MaxFrameBytes    int // on msgpack-rpc links; 0 = 16 MiB
	MaxPending       int // requests without a reply per connection of a msgpack-rpc link; 0 = 65,536
	MaxMethods       int // method names told apart in metrics per link, the rest is "other"; 0 = 64
	MaxBodyBytes     int // of a control API request; 0 = 1 MiB
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "devel"
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = 5 * time.Second
	}
	o.Limits = o.Limits.withDefaults()
	return o
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.MaxConnections, 4096},
		{&l.MaxBufferedBytes, 1 << 20},
		{&l.MaxFrameBytes, 16 << 20},
		{&l.MaxPending, 1 << 16},
		{&l.MaxMethods, 64},
		{&l.MaxBodyBytes, 1 << 20},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return l
}

func (l Limits) wire() wire.Limits { return wire.Limits{MaxFrameBytes: l.MaxFrameBytes} }
