package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"whitewater/pkg/harness/scenario"
	"whitewater/scenarios"
)

func newListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the scenarios of the catalogue",
		Args:  cobra.NoArgs,
		RunE: command(func(cmd *cobra.Command, _ []string) error {
			all, err := scenario.Catalogue(scenarios.Files)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tNODES\tMUST\tWHAT IT SHOWS")
			for _, s := range all {
				must := "pass"
				if s.ExpectFail != nil {
					must = "be caught by " + strings.Join(s.ExpectFail.Checks, " or ")
				}
				what, _, _ := strings.Cut(strings.Join(strings.Fields(s.Description), " "), ". ")
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", s.Name, s.Cluster.Nodes, must, strings.TrimSuffix(what, "."))
			}
			return w.Flush()
		}).run,
	}
}
