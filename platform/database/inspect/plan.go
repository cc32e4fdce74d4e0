package inspect

import (
	"encoding/json"
	"fmt"
)

// Node is a step of a plan that was carried out. It has no conditions: those hold the arguments, which may be somebody's address.
type Node struct {
	Step     string  `json:"step"`
	Schema   string  `json:"schema,omitempty"`
	Table    string  `json:"table,omitempty"`
	Index    string  `json:"index,omitempty"`
	Rows     int64   `json:"rows"`    // that the step returned, in all its loops
	Removed  int64   `json:"removed"` // that it read and left out
	Loops    int64   `json:"loops"`
	Millis   float64 `json:"ms"` // of all loops, with the steps below
	Children []Node  `json:"children"`
}

// Buffers are the pages of 8 KiB that a statement looked at.
type Buffers struct {
	Hit  int64 `json:"hit"`  // found in the memory of the server
	Read int64 `json:"read"` // asked of the operating system
}

// explained is the answer to EXPLAIN (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON).
type explained struct {
	Plan      explainedNode
	Planning  float64 `json:"Planning Time"`
	Execution float64 `json:"Execution Time"`
}

type explainedNode struct {
	Type      string  `json:"Node Type"`
	Operation string  `json:"Operation"`
	Schema    string  `json:"Schema"`
	Relation  string  `json:"Relation Name"`
	Index     string  `json:"Index Name"`
	Rows      float64 `json:"Actual Rows"` // on average of the loops
	Filtered  float64 `json:"Rows Removed by Filter"`
	Rechecked float64 `json:"Rows Removed by Index Recheck"`
	Loops     int64   `json:"Actual Loops"`
	Millis    float64 `json:"Actual Total Time"`
	Hit       int64   `json:"Shared Hit Blocks"`
	Read      int64   `json:"Shared Read Blocks"`
	Plans     []explainedNode
}

func parsePlan(raw []byte) (explained, error) {
	var plans []explained
	if err := json.Unmarshal(raw, &plans); err != nil || len(plans) != 1 {
		return explained{}, fmt.Errorf("read a plan: %d plans, %w", len(plans), err)
	}
	return plans[0], nil
}

// node returns the step and those below. A bitmap of an index is of the table that its heap scan reads.
func (n explainedNode) node(schema, table string) Node {
	step, loops := n.Type, float64(n.Loops)
	if n.Operation != "" {
		step = n.Operation
	}
	if n.Relation != "" {
		schema, table = n.Schema, n.Relation
	}
	made := Node{
		Step: step, Index: n.Index, Rows: int64(n.Rows*loops + 0.5), Removed: int64((n.Filtered+n.Rechecked)*loops + 0.5),
		Loops: n.Loops, Millis: n.Millis * loops, Children: []Node{},
	}
	if n.Relation != "" || n.Index != "" {
		made.Schema, made.Table = schema, table
	}
	for _, child := range n.Plans {
		made.Children = append(made.Children, child.node(schema, table))
	}
	return made
}

// accesses returns the steps that find rows: through an index, or reading a table from end to end.
func (n Node) accesses() []Node {
	var found []Node
	if n.Index != "" || n.Step == seqScan {
		found = append(found, n)
	}
	for _, child := range n.Children {
		found = append(found, child.accesses()...)
	}
	return found
}

// seqScan is what PostgreSQL calls reading a table from end to end.
const seqScan = "Seq Scan"
