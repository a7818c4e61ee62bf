package transport

import (
	"reflect"

	"whitewater/pkg/raft/protocol"
)

// used holds the last reply of each kind from each peer. The rule that the mutant reply-reused breaks is that every reply
// is decoded into a value of its own.
type used map[protocol.NodeID]map[reflect.Type]protocol.Body

// reuse is what a reply becomes when it leaves out the fields that are zero and is decoded into the one before it.
func (u *used) reuse(from protocol.NodeID, reply protocol.Body) protocol.Body {
	if *u == nil {
		*u = used{}
	}
	if (*u)[from] == nil {
		(*u)[from] = map[reflect.Type]protocol.Body{}
	}
	kind := reflect.TypeOf(reply)
	mixed := reflect.New(kind).Elem()
	if before := (*u)[from][kind]; before != nil {
		mixed.Set(reflect.ValueOf(before))
	}
	for i, fresh := 0, reflect.ValueOf(reply); i < kind.NumField(); i++ {
		if field := fresh.Field(i); !field.IsZero() {
			mixed.Field(i).Set(field)
		}
	}
	reply = mixed.Interface().(protocol.Body)
	(*u)[from][kind] = reply
	return reply
}
