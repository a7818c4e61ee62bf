package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// The limits of a plan that ParsePlan takes.
const (
	maxPlanBytes = 4 << 20
	maxNodes     = 9 // the spares included
	maxClients   = 64
	maxKeys      = 1 << 10
	maxRequests  = 20_000
	maxFaults    = 2_000
	maxTime      = time.Hour
	maxSteps     = 1 << 20
)

var durationType = reflect.TypeFor[time.Duration]()

// MarshalJSON writes a plan as ParsePlan reads it: durations as "1.5s", zero fields left out.
func (p Plan) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := encodeValue(&b, reflect.ValueOf(p))
	return b.Bytes(), err
}

func encodeValue(b *bytes.Buffer, v reflect.Value) error {
	switch {
	case v.Type() == durationType:
		fmt.Fprintf(b, "%q", time.Duration(v.Int()))
	case v.Kind() == reflect.Struct:
		b.WriteByte('{')
		between := ""
		for i := range v.NumField() {
			if f := v.Field(i); f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 {
				continue
			}
			fmt.Fprintf(b, "%s%q:", between, v.Type().Field(i).Name)
			between = ","
			if err := encodeValue(b, v.Field(i)); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case v.Kind() == reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := encodeValue(b, v.Index(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		text, err := json.Marshal(v.Interface())
		b.Write(text)
		return err
	}
	return nil
}

// ParsePlan reads a plan as MarshalJSON writes it. It refuses what no run should be given: the error names the field.
func ParsePlan(text []byte) (Plan, error) {
	if len(text) > maxPlanBytes {
		return Plan{}, fmt.Errorf("plan: %d bytes, at most %d", len(text), maxPlanBytes)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return Plan{}, fmt.Errorf("plan: not JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Plan{}, errors.New("plan: something follows its closing brace")
	}
	var p Plan
	if err := decodeValue(reflect.ValueOf(&p).Elem(), value, "plan"); err != nil {
		return Plan{}, err
	}
	if err := p.Validate(); err != nil {
		return Plan{}, err
	}
	return p, nil
}

// decodeValue puts a JSON value into v; path names it in errors.
func decodeValue(v reflect.Value, value any, path string) error {
	switch {
	case v.Type() == durationType:
		text, ok := value.(string)
		d, err := time.ParseDuration(text)
		if !ok || err != nil {
			return fmt.Errorf(`%s is %v, must be a duration such as "1.5s"`, path, value)
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.Struct:
		return decodeStruct(v, value, path)
	case v.Kind() == reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			return fmt.Errorf("%s is no list", path)
		}
		if len(list) > maxRequests {
			return fmt.Errorf("%s has %d elements, at most %d", path, len(list), maxRequests)
		}
		if len(list) == 0 {
			return nil
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, element := range list {
			if err := decodeValue(v.Index(i), element, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	default:
		text, err := json.Marshal(value)
		if err == nil {
			err = json.Unmarshal(text, v.Addr().Interface())
		}
		if err != nil || value == nil {
			return fmt.Errorf("%s is %s, must be a %s", path, text, v.Kind())
		}
	}
	return nil
}

func decodeStruct(v reflect.Value, value any, path string) error {
	fields, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no object", path)
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names) // the same error each time
	for _, name := range names {
		field := v.FieldByName(name)
		if !field.IsValid() {
			return fmt.Errorf("%s has no field %q", path, name)
		}
		if err := decodeValue(field, fields[name], strings.TrimPrefix(path+"."+name, "plan.")); err != nil {
			return err
		}
	}
	return nil
}

// Validate reports the first thing for which a plan cannot be run.
func (p Plan) Validate() error {
	v := &validation{}
	v.within("Nodes", p.Nodes, 1, maxNodes)
	v.within("Nodes and Spares together", p.Nodes+p.Spares, p.Nodes, maxNodes)
	v.lasts("Duration", p.Duration)
	v.within("Clients", p.Clients, 0, maxClients)
	v.within("Tuning.SnapshotEntries", p.Tuning.SnapshotEntries, 0, math.MaxInt32)
	v.within("Tuning.ChunkBytes", p.Tuning.ChunkBytes, 0, math.MaxInt32)
	v.within("Tuning.SegmentBytes", int(p.Tuning.SegmentBytes), 0, math.MaxInt32)
	v.within("Tuning.MaxBatch", p.Tuning.MaxBatch, 0, math.MaxInt32)
	v.within("Tuning.MaxInflight", p.Tuning.MaxInflight, 0, math.MaxInt32)
	v.within("Tuning.SnapshotSenders", p.Tuning.SnapshotSenders, 0, math.MaxInt32)
	v.within("Tuning.ApplyBatch", p.Tuning.ApplyBatch, 0, math.MaxInt32)
	v.lasts("Tuning.ApplyLatency", p.Tuning.ApplyLatency)
	v.within("Tuning.MaxPendingBytes", p.Tuning.MaxPendingBytes, 0, math.MaxInt32)
	v.within("Tuning.SnapshotKeep", p.Tuning.SnapshotKeep, math.MinInt32, math.MaxInt32)
	v.share("Network.Loss", p.Network.Loss)
	v.share("Network.Duplicate", p.Network.Duplicate)
	v.share("Network.Late", p.Network.Late)
	v.lasts("Network.Delay", p.Network.Delay)
	v.lasts("Disk.Latency", p.Disk.Latency)
	v.share("Disk.Stall", p.Disk.Stall)
	v.within("the number of Requests", len(p.Requests), 0, maxRequests)
	v.within("the number of Faults", len(p.Faults), 0, maxFaults)
	if v.err != nil {
		return v.err
	}
	for i, r := range p.Requests {
		v.at = fmt.Sprintf("Requests[%d].", i)
		v.ascends("At", r.At, p.Requests[max(0, i-1)].At)
		v.within("Client", r.Client, 0, p.Clients-1)
		v.within("Key", r.Key, 0, maxKeys)
		v.known("Kind", string(r.Kind), slices.Contains(requestKinds, r.Kind))
	}
	for i, f := range p.Faults {
		v.at = fmt.Sprintf("Faults[%d].", i)
		v.ascends("At", f.At, p.Faults[max(0, i-1)].At)
		v.lasts("For", f.For)
		v.known("Kind", string(f.Kind), slices.Contains(faultKinds, f.Kind))
		v.within("Target.Node", f.Target.Node, 0, p.Nodes+p.Spares-1)
		v.within("Other.Node", f.Other.Node, 0, p.Nodes+p.Spares-1)
		v.within("Step", f.Step, 0, maxSteps)
	}
	return v.err
}

var (
	requestKinds = []OperationKind{Put, Append, Create, Delete, Get}
	faultKinds   = []FaultKind{
		Kill, Power, FailSync, StallDisk, Pause, Cut, OneWay, Isolate, Deafen, Split, Bridge, Slow, Snapshot, Transfer, Members, Remove, Flip, Wipe,
	}
)

// validation keeps the first error.
type validation struct {
	at  string
	err error
}

func (v *validation) refuse(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf("plan: "+v.at+format, args...)
	}
}

func (v *validation) within(name string, n, least, most int) {
	if n < least || n > most {
		v.refuse("%s is %d, must be from %d to %d", name, n, least, most)
	}
}

func (v *validation) share(name string, share float64) {
	if !(share >= 0 && share <= 1) { // not a number is neither
		v.refuse("%s is %v, must be a share from 0 to 1", name, share)
	}
}

func (v *validation) lasts(name string, d time.Duration) {
	if d < 0 || d > maxTime {
		v.refuse("%s is %v, must be from 0s to %v", name, d, maxTime)
	}
}

func (v *validation) ascends(name string, at, before time.Duration) {
	v.lasts(name, at)
	if at < before {
		v.refuse("%s is %v, before the one above (%v): sort them", name, at, before)
	}
}

func (v *validation) known(name, kind string, known bool) {
	if !known {
		v.refuse("%s %q is not known", name, kind)
	}
}
