package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

//go:generate go run . -out ../dashboards

func main() {
	out := flag.String("out", "../dashboards", "directory to write the dashboards to")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "generate: unexpected argument %q: the only setting is -out DIR\n", flag.Arg(0))
		os.Exit(3)
	}
	if err := writeAll(*out); err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v\n", err)
		os.Exit(1)
	}
}

// writeAll writes every dashboard into directory.
func writeAll(directory string) error {
	files, err := render()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o644); err != nil {
			return fmt.Errorf("write dashboard: %w", err)
		}
	}
	return nil
}

// render returns the content of each dashboard file by its name.
func render() (map[string][]byte, error) {
	dashboards := map[string]func() (dashboard.Dashboard, error){
		"elections.json": elections,
	}
	files := make(map[string][]byte, len(dashboards))
	for name, build := range dashboards {
		built, err := build()
		if err != nil {
			return nil, fmt.Errorf("build %s: %w", name, err)
		}
		content, err := json.MarshalIndent(built, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
		files[name] = append(content, '\n')
	}
	return files, nil
}
