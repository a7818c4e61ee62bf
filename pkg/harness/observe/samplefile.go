package observe

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// recorder writes samples as lines of JSON, each in one write.
type recorder struct {
	mu sync.Mutex // guards w
	w  io.Writer  // nil: nothing is written
}

func newRecorder(w io.Writer) *recorder { return &recorder{w: w} }

func (r *recorder) write(s Sample) error {
	if r.w == nil {
		return nil
	}
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err = r.w.Write(append(line, '\n'))
	return err
}

// WriteSamples writes one sample a line.
func WriteSamples(w io.Writer, samples []Sample) error {
	buffered := bufio.NewWriter(w)
	r := newRecorder(buffered)
	for _, s := range samples {
		if err := r.write(s); err != nil {
			return fmt.Errorf("write sample of %s: %w", s.Node, err)
		}
	}
	return buffered.Flush()
}

// ReadSamples reads what WriteSamples or ScraperOptions.Record wrote, by node. A last line without its end
// is left out: the writer was killed.
func ReadSamples(r io.Reader) (map[string][]Sample, error) {
	samples := map[string][]Sample{}
	reader := bufio.NewReaderSize(r, 1<<16)
	for number := 1; ; number++ {
		line, err := readLine(reader)
		if errors.Is(err, io.EOF) {
			return samples, nil
		}
		var s Sample
		if err == nil {
			err = json.Unmarshal(line, &s)
		}
		if err != nil {
			return nil, fmt.Errorf("samples line %d: %w", number, err)
		}
		samples[s.Node] = append(samples[s.Node], s)
	}
}
