package condition

import (
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// ArgKind is what an argument of a function must be.
type ArgKind string

// The kinds of argument.
const (
	ArgMetric    ArgKind = "metric"    // key of the metric catalogue
	ArgWindow    ArgKind = "window"    // "5m", from a second to a day
	ArgNumber    ArgKind = "number"    //
	ArgScore     ArgKind = "score"     // key of a score table
	ArgFlag      ArgKind = "flag"      // see Flags
	ArgProgramme ArgKind = "programme" // any key
)

// Function is one word of the vocabulary.
type Function struct {
	Name   string    `json:"name"`
	Args   []ArgKind `json:"args"`
	Result string    `json:"result"` // number or yes_no
	Unit   string    `json:"unit"`   // "metric", "metric/min", "s", "1"
	Doc    string    `json:"doc"`
}

// Variable is one fact of the subject or the clock.
type Variable struct {
	Name   string `json:"name"`
	Result string `json:"result"` // number or text
	Doc    string `json:"doc"`
}

const (
	isNumber = "number"
	isTruth  = "yes_no"
	isText   = "text"
)

// Functions returns the functions of the language in the order of the reference page.
func Functions() []Function {
	metric, window, num := ArgMetric, ArgWindow, ArgNumber
	return []Function{
		{"last", []ArgKind{metric}, isNumber, "metric", "the newest value; undecided when it is stale"},
		{"last", []ArgKind{metric, window}, isNumber, "metric", "the newest value, not older than the window"},
		{"age", []ArgKind{metric}, isNumber, "s", "seconds since the newest value was measured"},
		{"missing", []ArgKind{metric, window}, isTruth, "", "no value for as long as the window"},
		{"mean", []ArgKind{metric, window}, isNumber, "metric", "mean of the values in the window"},
		{"min", []ArgKind{metric, window}, isNumber, "metric", "smallest value in the window"},
		{"max", []ArgKind{metric, window}, isNumber, "metric", "largest value in the window"},
		{"slope", []ArgKind{metric, window}, isNumber, "metric/min", "least-squares slope over the window, a minute"},
		{"delta", []ArgKind{metric, window}, isNumber, "metric", "last value in the window less the first"},
		{"rate", []ArgKind{metric, window}, isNumber, "metric/min", "the same by the time between them, a minute"},
		{"count_over", []ArgKind{metric, num, window}, isNumber, "1", "how many values in the window are over a bound"},
		{"count_under", []ArgKind{metric, num, window}, isNumber, "1", "how many values in the window are under a bound"},
		{"duration_over", []ArgKind{metric, num, window}, isNumber, "s", "seconds of the window for which the value was over a bound"},
		{"duration_under", []ArgKind{metric, num, window}, isNumber, "s", "seconds of the window for which the value was under a bound"},
		{"score", []ArgKind{ArgScore}, isNumber, "1", "total of a score; with > and >= known parts may decide, else undecided while a part is missing"},
		{"score_known", []ArgKind{ArgScore}, isNumber, "1", "sum of the parts of a score that are known"},
		{"flag", []ArgKind{ArgFlag}, isTruth, "", "the subject has the flag"},
		{"programme", []ArgKind{ArgProgramme}, isTruth, "", "the subject is in the programme"},
		{"abs", []ArgKind{num}, isNumber, "", "magnitude of a number"},
	}
}

// Variables returns the variables of the language.
func Variables() []Variable {
	return []Variable{
		{"hour", isNumber, "hour of the day in the hospital's time zone, 0 to 23"},
		{"weekday", isText, "mon, tue, wed, thu, fri, sat or sun"},
		{"unit", isText, "id of the care unit that watches the subject"},
		{"age_group", isText, "neonate, infant, child or adult"},
		{"age_years", isNumber, "age in whole years; undecided without a birth date"},
		{"postop_day", isNumber, "0 on the day of the last operation, 1 on the next; undecided without one"},
	}
}

// Flags returns the flags that rules may ask for, with what sets them.
func Flags() map[string]string {
	return map[string]string{
		"asleep":      "flag on the chart",
		"on-oxygen":   "flag on the chart",
		"o2-scale-2":  "flag on the chart: SpO₂ scale 2 of NEWS2",
		"copd":        "flag on the chart",
		"falls":       "flag on the chart",
		"isolation":   "flag on the chart",
		"pacemaker":   "flag on the chart",
		"palliative":  "flag on the chart",
		"ventilated":  "flag on the chart",
		"sedated":     "flag on the chart",
		"pregnant":    "flag on the chart",
		"mobilising":  "flag on the chart",
		"dialysis":    "flag on the chart",
		"standby":     "the bed is on standby: the patient is away",
		"neutropenic": "flag on the chart",
	}
}

func (a ArgKind) celType() *types.Type {
	if a == ArgNumber {
		return types.DoubleType
	}
	return types.StringType
}

func resultType(r string) *types.Type {
	switch r {
	case isTruth:
		return types.BoolType
	case isText:
		return types.StringType
	}
	return types.DoubleType
}

// declarations are the vocabulary and the operators of CEL that it is used with. What is not declared here is refused by
// CEL's type checker: lists but for "in", maps, macros, integers.
func declarations() (funcs []*decls.FunctionDecl, vars []*decls.VariableDecl, err error) {
	add := func(name, id string, result *types.Type, args ...*types.Type) {
		f, e := decls.NewFunction(name, decls.Overload(id, args, result))
		if e != nil && err == nil {
			err = e
		}
		funcs = append(funcs, f)
	}
	for _, f := range Functions() {
		var args []*types.Type
		id := f.Name
		for _, a := range f.Args {
			args, id = append(args, a.celType()), id+"_"+string(a)
		}
		add(f.Name, id, resultType(f.Result), args...)
	}
	for _, v := range Variables() {
		vars = append(vars, decls.NewVariable(v.Name, resultType(v.Result)))
	}
	num, text, truth := types.DoubleType, types.StringType, types.BoolType
	add(operators.LogicalAnd, "and", truth, truth, truth)
	add(operators.LogicalOr, "or", truth, truth, truth)
	add(operators.LogicalNot, "not", truth, truth)
	any := types.NewTypeParamType("T")
	add(operators.Conditional, "choose", any, truth, any, any)
	for _, o := range []string{operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals} {
		add(o, "num"+o, truth, num, num)
	}
	for _, o := range []string{operators.Equals, operators.NotEquals} {
		add(o, "num"+o, truth, num, num)
		add(o, "text"+o, truth, text, text)
	}
	for _, o := range []string{operators.Add, operators.Subtract, operators.Multiply, operators.Divide} {
		add(o, "num"+o, num, num, num)
	}
	add(operators.Negate, "minus", num, num)
	add(operators.In, "among", truth, text, types.NewListType(text))
	return funcs, vars, err
}
