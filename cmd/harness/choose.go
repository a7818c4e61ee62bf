package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"whitewater/pkg/harness/scenario"
	"whitewater/scenarios"
)

// named is a scenario and where it came from; file is empty for the catalogue's.
type named struct {
	*scenario.Scenario
	file string
}

// choose finds the scenarios asked for, and reports all that is wrong with them at once.
func choose(args []string) ([]named, error) {
	all, err := scenario.Catalogue(scenarios.Files)
	if err != nil {
		return nil, err
	}
	var chosen []named
	if len(args) == 0 {
		for _, s := range all {
			chosen = append(chosen, named{Scenario: s})
		}
		return chosen, nil
	}
	var faults []error
	seen := map[string]bool{}
	for _, arg := range args {
		s, err := find(all, arg)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if seen[s.Name] {
			faults = append(faults, fmt.Errorf("%s is asked for twice: name each scenario once", s.Name))
		}
		seen[s.Name] = true
		chosen = append(chosen, s)
	}
	if len(faults) > 0 {
		return nil, &exit{exitUsage, errors.Join(faults...)}
	}
	return chosen, nil
}

func find(all []*scenario.Scenario, arg string) (named, error) {
	if strings.ContainsRune(arg, '/') || strings.HasSuffix(arg, ".yaml") {
		text, err := os.ReadFile(arg)
		if err != nil {
			return named{}, err
		}
		s, err := scenario.Parse(arg, text)
		return named{Scenario: s, file: arg}, err
	}
	i := slices.IndexFunc(all, func(s *scenario.Scenario) bool { return s.Name == arg })
	if i < 0 {
		return named{}, fmt.Errorf("no scenario is called %q: harness list names them; a file's name ends in .yaml", arg)
	}
	return named{Scenario: all[i]}, nil
}

// binaries finds the folder of the programs and tells which are missing.
func binaries(dir string, chosen []named) (string, error) {
	if dir == "" {
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		dir = filepath.Dir(self)
	}
	programs := []string{"raftnode", "chaosproxy"}
	if slices.ContainsFunc(chosen, func(s named) bool { return s.Cluster.Mutant != "" }) {
		programs = append(programs, "raftnode-mutants")
	}
	var missing []string
	for _, p := range programs {
		if _, err := os.Stat(filepath.Join(dir, p)); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		return "", usage("%s lacks %s: build them with make build, or name their folder with --nodes-bin", dir, strings.Join(missing, ", "))
	}
	return dir, nil
}
