package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"whitewater/pkg/harness/jsonlines"
)

// WriteHistory writes one operation a line.
func WriteHistory(w io.Writer, history []Operation) error {
	buffered := bufio.NewWriter(w)
	lines := jsonlines.NewWriter(buffered)
	for _, op := range history {
		if err := lines.Write(op); err != nil {
			return fmt.Errorf("write operation %d: %w", op.ID, err)
		}
	}
	return buffered.Flush()
}

// ReadHistory reads what WriteHistory or Options.Record wrote. A last line without its end is left out:
// the writer was killed.
func ReadHistory(r io.Reader) ([]Operation, error) {
	var history []Operation
	reader := jsonlines.NewReader(r)
	for number := 1; ; number++ {
		line, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return history, nil
		}
		if err != nil {
			return nil, fmt.Errorf("history line %d: %w", number, err)
		}
		op, err := decodeOperation(line)
		if err != nil {
			return nil, fmt.Errorf("history line %d: %w", number, err)
		}
		history = append(history, op)
	}
}

func decodeOperation(line []byte) (Operation, error) {
	var op Operation
	if err := json.Unmarshal(line, &op); err != nil {
		return Operation{}, err
	}
	if _, ok := defaultMix()[op.Kind]; !ok {
		return Operation{}, fmt.Errorf("operation %d is of unknown kind %q", op.ID, op.Kind)
	}
	switch op.Outcome {
	case OK, Failed, Unknown:
	default:
		return Operation{}, fmt.Errorf("operation %d has unknown outcome %q", op.ID, op.Outcome)
	}
	if op.Return < op.Call {
		return Operation{}, fmt.Errorf("operation %d returned before its call", op.ID)
	}
	return op, nil
}
