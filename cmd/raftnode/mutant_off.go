//go:build !mutants

package main

import "github.com/spf13/pflag"

// bindMutant does nothing: this build has no mutants.
func (c *config) bindMutant(*pflag.FlagSet) {}

// applyMutant does nothing: this build has no mutants.
func (c *config) applyMutant() error { return nil }
