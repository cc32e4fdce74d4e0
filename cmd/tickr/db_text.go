package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tickr/tickr/platform/database/inspect"
)

// printExplanations writes each plan, then a line for each statement.
func printExplanations(out io.Writer, explained []inspect.Explanation) error {
	for _, e := range explained {
		fmt.Fprintf(out, "%s, text %d: %s\n", e.Name, e.Text, e.Purpose)
		if e.Plan != nil {
			printNode(out, *e.Plan, 1)
		}
		fmt.Fprintln(out)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STATEMENT\tVERDICT\tUSED\tPLANNING ms\tEXECUTION ms\tPAGES HIT\tREAD\tNOTE")
	count := map[inspect.Verdict]int{}
	for _, e := range explained {
		count[e.Verdict]++
		fmt.Fprintf(w, "%s\t%s\t%s\t%.3f\t%.3f\t%d\t%d\t%s\n", e.Name, e.Verdict, orDash(strings.Join(e.Used, ", ")),
			e.PlanningMillis, e.ExecutionMillis, e.Buffers.Hit, e.Buffers.Read, e.Note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%d texts: %d ok, %d on small tables, %d meant to have no index, %d without data, %d missed, %d failed\n", len(explained),
		count[inspect.Served], count[inspect.SmallTable], count[inspect.NoneMeant], count[inspect.NoData], count[inspect.Missed], count[inspect.Failed])
	return err
}

func printNode(out io.Writer, n inspect.Node, depth int) {
	fmt.Fprint(out, strings.Repeat("  ", depth), n.Step)
	if n.Index != "" {
		fmt.Fprint(out, " using ", n.Index)
	}
	if n.Table != "" {
		fmt.Fprint(out, " on ", n.Schema, ".", n.Table)
	}
	switch {
	case n.Loops == 0:
		fmt.Fprintln(out, ": not needed")
	case n.Removed > 0:
		fmt.Fprintf(out, ": %d rows, %d left out, %.3f ms\n", n.Rows, n.Removed, n.Millis)
	default:
		fmt.Fprintf(out, ": %d rows, %.3f ms\n", n.Rows, n.Millis)
	}
	for _, child := range n.Children {
		printNode(out, child, depth+1)
	}
}

// printReport writes a line for each index, then one for each finding.
func printReport(out io.Writer, r inspect.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tINDEX\tSCANS\tREAD\tFETCHED\tSIZE\tLAST USED\tRULE\tDEFINITION")
	for _, i := range r.Indexes {
		rule := "-"
		switch {
		case i.Constraint:
			rule = "constraint"
		case i.Unique:
			rule = "unique"
		}
		fmt.Fprintf(w, "%s.%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", i.Schema, i.Table, i.Name, i.Scans, i.TuplesRead, i.TuplesFetched,
			size(i.SizeBytes), lastUse(i, r.LastScanKnown), rule, i.Definition)
	}
	fmt.Fprintf(w, "\nCounted since %s at least.\n", r.Since.Format(time.RFC3339))
	if !r.LastScanKnown {
		fmt.Fprintln(w, "When an index was last used is known from PostgreSQL 16 on.")
	}
	if len(r.Findings) > 0 {
		fmt.Fprintln(w, "\nFINDING\tTABLE\tINDEX\tDETAIL")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Kind, orDash(strings.Trim(f.Schema+"."+f.Table, ".")), orDash(f.Index), f.Detail)
	}
	return w.Flush()
}

func lastUse(i inspect.Index, known bool) string {
	switch {
	case !known:
		return "-"
	case i.LastScan == nil:
		return "never"
	}
	return i.LastScan.UTC().Format(time.RFC3339)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// size writes bytes as people do.
func size(bytes int64) string {
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	switch {
	case bytes >= gib:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/gib)
	case bytes >= mib:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/mib)
	}
	return fmt.Sprintf("%d KiB", bytes/kib)
}
