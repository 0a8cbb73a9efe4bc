package relational

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// The tables of search rows, as written in resource.idx: never renumbered.
const (
	tableCompartment byte = iota + 1 // as written before there was tableChart
	tableToken
	tableString
	tableReference
	tableDate
	tableNumber
	tableQuantity
	tableURI
	tableComposite
	tableText
	tableChart
)

// undated is the place in a chart of what has no clinical time.
const undated = math.MinInt64

// row is one search row of a resource; which fields count depends on the table. For a chart, param is the compartment,
// sym the resource's type, text the owner and low the time.
type row struct {
	table       byte
	param, sym  int64 // parameter; system or target type
	text, exact string
	low, high   int64 // dates; numbers as the bits of their float64

	sym2        int64 // of a composite
	low2, high2 int64
}

// rows turns a change's values into the rows of its tables, without doubles.
func (n *naming) rows(c *record.Change) ([]row, error) {
	if c.Record.Deleted {
		return nil, nil
	}
	seen := map[row]bool{}
	var out []row
	add := func(r row, err error) error {
		if err == nil && !seen[r] {
			seen[r] = true
			out = append(out, r)
		}
		return err
	}
	at := chartTime(c)
	for _, owner := range c.Record.Patients {
		r := row{table: tableChart, text: owner, low: at}
		err := n.name(&r.param, "Patient")
		if err == nil {
			err = n.name(&r.sym, c.Record.Type)
		}
		if err := add(r, err); err != nil {
			return nil, err
		}
	}
	for i := range c.Values {
		v := &c.Values[i]
		if v.Param == "Resource._id" || v.Param == "Resource._lastUpdated" {
			continue // columns of the resource itself
		}
		if err := add(n.row(v)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// chartTime returns the latest start of a resource's date in Unix microseconds.
func chartTime(c *record.Change) int64 {
	at := int64(undated)
	for i := range c.Values {
		if v := &c.Values[i]; v.Kind == fhir.ParamDate && v.Param == c.Record.Type+".date" {
			at = max(at, v.Low)
		}
	}
	return at
}

func (n *naming) name(to *int64, text string) (err error) {
	*to, err = n.symbol(text)
	return err
}

// row makes the row of a value.
func (n *naming) row(v *fhir.Value) (r row, err error) {
	switch v.Kind {
	case fhir.ParamComposite, fhir.ParamSpecial:
		r, err = n.composite(v)
	case fhir.ParamText:
		r = row{table: tableText}
		err = n.name(&r.sym, phrase(v.Text))
	default:
		var sym string
		r, sym = toRow(v)
		err = n.name(&r.sym, sym)
	}
	if err == nil {
		err = n.name(&r.param, v.Param)
	}
	return r, err
}

// phrase is the symbol of a text that people read.
func phrase(s string) string { return "\x01" + record.Fold(s) }

// composite puts the parts of a value into the columns of its row, in the order in which match looks for them.
func (n *naming) composite(v *fhir.Value) (row, error) {
	r := row{table: tableComposite}
	texts, ranges := 0, 0
	for i := range v.Parts {
		one, sym := toRow(&v.Parts[i])
		if one.table != tableDate && one.table != tableNumber {
			num, err := n.symbol(sym)
			if err != nil {
				return r, err
			}
			if texts++; texts == 1 {
				r.text, r.sym = one.text, num
			} else {
				r.exact, r.sym2 = one.text, num
			}
		}
		switch one.table {
		case tableDate:
			one.low, one.high = bits(float64(one.low)), bits(float64(one.high))
		case tableNumber, tableQuantity:
		default:
			continue
		}
		if ranges++; ranges == 1 {
			r.low, r.high = one.low, one.high
		} else {
			r.low2, r.high2 = one.low, one.high
		}
	}
	return r, nil
}

// textLimit bounds a text in a search row, in bytes; longer ones are found by their beginning.
const textLimit = 512

func clip(s string) string { return s[:min(len(s), textLimit)] }

func toRow(v *fhir.Value) (r row, sym string) {
	switch v.Kind {
	case fhir.ParamToken:
		return row{table: tableToken, text: clip(v.Code)}, v.System
	case fhir.ParamString:
		return row{table: tableString, text: record.Fold(v.Text), exact: clip(v.Text)}, ""
	case fhir.ParamReference:
		return row{table: tableReference, text: clip(v.ID)}, v.Type
	case fhir.ParamDate:
		return row{table: tableDate, low: v.Low, high: v.High}, ""
	case fhir.ParamNumber:
		return row{table: tableNumber, low: bits(v.Min), high: bits(v.Max)}, ""
	case fhir.ParamQuantity:
		return row{table: tableQuantity, low: bits(v.Min), high: bits(v.Max), text: clip(v.Code)}, v.System
	}
	return row{table: tableURI, text: clip(v.Text)}, ""
}

func bits(f float64) int64 { return int64(math.Float64bits(f)) }

func float(b int64) float64 { return math.Float64frombits(uint64(b)) }

// statement returns the table, the columns and their values of a row.
func (r row) statement(res int64) (table, columns string, args []any) {
	switch r.table {
	case tableCompartment:
		return "chart", "comp, owner, type, res", []any{r.param, r.text, r.sym, res}
	case tableChart:
		return "chart", "comp, owner, type, at, res", []any{r.param, r.text, r.sym, r.low, res}
	case tableComposite:
		return "sx_composite", "param, a, b, low, low2, res, asys, bsys, high, high2",
			[]any{r.param, r.text, r.exact, float(r.low), float(r.low2), res, r.sym, r.sym2, float(r.high), float(r.high2)}
	case tableText:
		return "sx_text", "param, text, res", []any{r.param, r.sym, res}
	case tableToken:
		return "sx_token", "param, code, res, system", []any{r.param, r.text, res, r.sym}
	case tableString:
		return "sx_string", "param, norm, res, text", []any{r.param, r.text, res, r.exact}
	case tableReference:
		return "sx_reference", "param, id, res, type", []any{r.param, r.text, res, r.sym}
	case tableDate:
		return "sx_date", "param, low, high, res", []any{r.param, r.low, r.high, res}
	case tableNumber:
		return "sx_number", "param, low, high, res", []any{r.param, float(r.low), float(r.high), res}
	case tableQuantity:
		return "sx_quantity", "param, low, high, res, system, code", []any{r.param, float(r.low), float(r.high), res, r.sym, r.text}
	}
	return "sx_uri", "param, uri, res", []any{r.param, r.text, res}
}

// writeRows removes the rows that are no longer there and writes the new ones; what stays is not touched.
func writeRows(tx *Tx, res int64, old, fresh []row) error {
	was := make(map[row]bool, len(old))
	for _, r := range old {
		was[r] = true
	}
	inserts := map[byte]*insert{}
	for _, r := range fresh {
		if was[r] {
			delete(was, r)
			continue
		}
		table, columns, args := r.statement(res)
		in := inserts[r.table]
		if in == nil {
			in = &insert{table: table, columns: columns, width: len(args)}
			inserts[r.table] = in
		}
		in.args = append(in.args, args...)
	}
	for _, in := range inserts {
		if err := in.run(tx); err != nil {
			return err
		}
	}
	for r := range was {
		table, columns, args := r.statement(res)
		if err := tx.Later(`DELETE FROM `+table+` WHERE (`+columns+`) = (`+marks(len(args))+`)`, args...); err != nil {
			return fmt.Errorf("remove from %s: %w", table, err)
		}
	}
	return nil
}

// insert gathers the new rows of one table, so that a resource costs one statement a table.
type insert struct {
	table, columns string
	width          int
	args           []any
}

// insertLimit bounds the rows of one statement (SQLite takes 32,766 parameters).
const insertLimit = 500

func (in *insert) run(tx *Tx) error {
	for rest := in.args; len(rest) > 0; {
		n := min(len(rest)/in.width, insertLimit)
		q := make([]byte, 0, 64+n*(2*in.width+3))
		q = append(q, "INSERT INTO "+in.table+" ("+in.columns+") VALUES "...)
		for i := range n {
			if i > 0 {
				q = append(q, ',')
			}
			q = append(q, '(')
			q = append(q, marks(in.width)...)
			q = append(q, ')')
		}
		q = append(q, " ON CONFLICT DO NOTHING"...)
		if err := tx.Later(string(q), rest[:n*in.width]...); err != nil {
			return fmt.Errorf("write %s: %w", in.table, err)
		}
		rest = rest[n*in.width:]
	}
	return nil
}

// marks returns n question marks, n at most 10.
func marks(n int) string { return "?,?,?,?,?,?,?,?,?,?"[:2*n-1] }

// encodeRows writes rows for resource.idx: per row the table, then its fields as varints and counted strings.
func encodeRows(rows []row) []byte {
	b := make([]byte, 0, 24*len(rows))
	for _, r := range rows {
		b = append(b, r.table)
		b = binary.AppendVarint(b, r.param)
		b = binary.AppendVarint(b, r.sym)
		switch r.table {
		case tableDate, tableNumber, tableQuantity, tableComposite:
			b = binary.BigEndian.AppendUint64(b, uint64(r.low))
			b = binary.BigEndian.AppendUint64(b, uint64(r.high))
		case tableChart:
			b = binary.BigEndian.AppendUint64(b, uint64(r.low))
		}
		if r.table == tableComposite {
			b = binary.AppendVarint(b, r.sym2)
			b = binary.BigEndian.AppendUint64(b, uint64(r.low2))
			b = binary.BigEndian.AppendUint64(b, uint64(r.high2))
		}
		b = appendText(b, r.text)
		b = appendText(b, r.exact)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// decodeRows reads what encodeRows wrote; it stops where the bytes end early.
func decodeRows(b []byte) []row {
	var out []row
	d := rowReader{b: b}
	for len(d.b) > 0 && !d.bad {
		r := row{table: d.byte(), param: d.varint(), sym: d.varint()}
		switch r.table {
		case tableDate, tableNumber, tableQuantity, tableComposite:
			r.low, r.high = d.fixed(), d.fixed()
		case tableChart:
			r.low = d.fixed()
		}
		if r.table == tableComposite {
			r.sym2, r.low2, r.high2 = d.varint(), d.fixed(), d.fixed()
		}
		r.text, r.exact = d.text(), d.text()
		if !d.bad {
			out = append(out, r)
		}
	}
	return out
}

type rowReader struct {
	b   []byte
	bad bool
}

func (d *rowReader) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return make([]byte, 8)
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *rowReader) byte() byte { return d.take(1)[0] }

func (d *rowReader) fixed() int64 { return int64(binary.BigEndian.Uint64(d.take(8))) }

func (d *rowReader) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		n = -1
	}
	d.take(n)
	return v
}

func (d *rowReader) text() string {
	n, w := binary.Uvarint(d.b)
	if w <= 0 || n > uint64(len(d.b)) {
		d.take(-1)
		return ""
	}
	d.take(w)
	return string(d.take(int(n)))
}
