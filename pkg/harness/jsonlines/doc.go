// Package jsonlines writes and reads a run's records: one JSON object a line, each in one write, so that only the
// last line of a killed writer can be torn.
//
// It leaves out what stands behind the last end of a line, and bounds a line before it grows. It does not know what
// the objects mean.
package jsonlines
