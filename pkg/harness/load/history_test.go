package load

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sample() []Operation {
	return []Operation{
		{
			ID: 1, Client: "c1.1", Kind: CAS, Key: "r0.0", Input: "x", Expect: 4, Session: "9", Seq: 2, Revision: 7, Swapped: true,
			Index: 7, Term: 2, Call: 10, Return: 20, Outcome: OK, Attempts: []Attempt{
				{Node: "n1", URL: "http://127.0.0.1:1/v1/kv/r0.0", Call: 11, Return: 12, Status: 307, Outcome: Refused},
				{Node: "n2", URL: "http://127.0.0.1:2/v1/kv/r0.0", Call: 13, Return: 19, Status: 200, Outcome: OK},
			},
		},
		{ID: 2, Client: "c2.1", Kind: Append, Key: "a0.0", Input: "c2.1.1;", Call: 11, Return: Forever, Outcome: Unknown},
	}
}

func TestHistory_RoundTripAndTornLine(t *testing.T) {
	var file bytes.Buffer
	if err := WriteHistory(&file, sample()); err != nil {
		t.Fatal(err)
	}
	got, err := ReadHistory(bytes.NewReader(file.Bytes()))
	if diff := cmp.Diff(sample(), got); err != nil || diff != "" {
		t.Fatalf("%v %s", err, diff)
	}
	torn := file.Bytes()[:file.Len()-5]
	got, err = ReadHistory(bytes.NewReader(torn))
	if err != nil || len(got) != 1 {
		t.Errorf("of a torn file: %d operations, %v", len(got), err)
	}
}

func TestHistory_RefusesNonsense(t *testing.T) {
	for _, line := range []string{
		"x", `{"kind":"get","outcome":"maybe"}`, `{"kind":"scan","outcome":"ok"}`, `{"kind":"get","outcome":"ok","call":2,"return":1}`,
	} {
		_, err := ReadHistory(strings.NewReader(line + "\n"))
		if err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func FuzzReadHistory(f *testing.F) {
	var file bytes.Buffer
	if err := WriteHistory(&file, sample()); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte(`{"kind":"get","outcome":"ok"}` + "\n{"))
	f.Add([]byte(`{"kind":"cas","outCome":"ok","Attempts":[]}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		history, err := ReadHistory(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := WriteHistory(&again, history); err != nil {
			t.Fatal(err)
		}
		back, err := ReadHistory(&again)
		if diff := cmp.Diff(history, back, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
}
