package observe

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"whitewater/pkg/harness/jsonlines"
)

// WriteSamples writes one sample a line.
func WriteSamples(w io.Writer, samples []Sample) error {
	buffered := bufio.NewWriter(w)
	lines := jsonlines.NewWriter(buffered)
	for _, s := range samples {
		if err := lines.Write(s); err != nil {
			return fmt.Errorf("write sample of %s: %w", s.Node, err)
		}
	}
	return buffered.Flush()
}

// ReadSamples reads what WriteSamples or ScraperOptions.Record wrote, by node. A last line without its end
// is left out: the writer was killed.
func ReadSamples(r io.Reader) (map[string][]Sample, error) {
	samples := map[string][]Sample{}
	reader := jsonlines.NewReader(r)
	for number := 1; ; number++ {
		line, err := reader.Next()
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
