package main

import (
	"fmt"

	"github.com/spf13/pflag"
)

// checked is a flag's value that notes what is wrong with it and lets the parser go on, so that one run of the
// program tells of every fault.
type checked struct {
	pflag.Value
	source   string      // what gave it: the flag, or the environment variable
	rule     string      // what it must be
	fallback string      // the default
	obeyed   func() bool // looks at the value just set; nil: whatever parses will do
	faults   *[]error
}

// Set implements pflag.Value.
func (c *checked) Set(text string) error {
	if c.Value.Set(text) != nil || c.obeyed != nil && !c.obeyed() {
		*c.faults = append(*c.faults, fmt.Errorf("%s %q: must be %s; leave it out for the default, %s", c.source, text, c.rule, c.fallback))
	}
	return nil
}
