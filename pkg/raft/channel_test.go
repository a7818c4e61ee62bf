package raft

import (
	"fmt"
	"testing"

	"whitewater/pkg/raft/protocol"
)

// TestApplyChannel is the lab's form: Start on the leader, the command on everybody's channel.
func TestApplyChannel(t *testing.T) {
	channels := map[protocol.NodeID]ApplyChannel{}
	lab := func(o *Options) {
		channels[o.ID] = make(ApplyChannel)
		o.StateMachine, o.DisableNoop = channels[o.ID], true
	}
	run(t, 3, lab, func(c *cluster) {
		leader := c.replicas[c.leader()]
		for i := range 5 {
			command := fmt.Sprint("x", i)
			index, term, ok := leader.Start([]byte(command))
			if !ok || index != protocol.Index(i+1) {
				t.Fatalf("Start(%s) = %d, %d, %v; without no-ops indices count commands from 1", command, index, term, ok)
			}
			for _, id := range c.ids {
				want := ApplyMsg{Command: []byte(command), CommandIndex: index, CommandTerm: term}
				if got := <-channels[id]; string(got.Command) != command || got.CommandIndex != index || got.CommandTerm != term {
					t.Errorf("%s received %+v, want %+v", id, got, want)
				}
			}
		}
		leader.Start([]byte("nobody receives this"))
		leader.Kill() // must not hang
		if !leader.Killed() || leader.Err() != nil {
			t.Errorf("after Kill: Killed %v, Err %v", leader.Killed(), leader.Err())
		}
	})
}
