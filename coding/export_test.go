package coding

// HasSeriesUnit reports whether names of series have a word for the unit, the empty one included.
func HasSeriesUnit(ucum string) bool {
	_, ok := seriesUnits[ucum]
	return ok
}
