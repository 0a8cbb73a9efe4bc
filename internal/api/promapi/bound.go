package promapi

import (
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	maxSubSteps    = 1_000_000   // of a subquery
	defaultSubStep = time.Minute // when the expression names none
)

// bounded refuses subqueries of more steps than maxSubSteps: the engine allocates for each of them before it looks at its
// own limits, so that one expression such as [100y:1ms] would end the process. A subquery runs from as long before the
// query's start as all ranges around it reach, to the query's end.
func bounded(q promql.Query) error {
	stmt, ok := q.Statement().(*parser.EvalStmt)
	if !ok {
		return nil
	}
	over := false
	parser.Inspect(stmt.Expr, func(node parser.Node, path []parser.Node) error {
		sub, ok := node.(*parser.SubqueryExpr)
		if !ok {
			return nil
		}
		span := float64(stmt.End.Sub(stmt.Start)) + float64(sub.Range)
		for _, outer := range path {
			if o, ok := outer.(*parser.SubqueryExpr); ok {
				span += float64(o.Range)
			}
		}
		step := sub.Step
		if step <= 0 {
			step = defaultSubStep
		}
		over = over || span/float64(step) > maxSubSteps
		return nil
	})
	if over {
		return badRequest("invalid parameter \"query\": a subquery has more than %d steps; give it a larger step or a shorter range", maxSubSteps)
	}
	return nil
}
