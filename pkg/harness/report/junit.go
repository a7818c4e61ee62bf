package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/scenario"
)

// The part of JUnit's XML that build servers read. A verdict of unknown is an error, not a failure: nothing
// was proven either way.
type (
	xmlSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suites  []xmlSuite `xml:"testsuite"`
	}
	xmlSuite struct {
		Name     string    `xml:"name,attr"`
		Tests    int       `xml:"tests,attr"`
		Failures int       `xml:"failures,attr"`
		Errors   int       `xml:"errors,attr"`
		Time     string    `xml:"time,attr"`
		Stamp    string    `xml:"timestamp,attr,omitempty"`
		Cases    []xmlCase `xml:"testcase"`
	}
	xmlCase struct {
		Name    string     `xml:"name,attr"`
		Class   string     `xml:"classname,attr"`
		Time    string     `xml:"time,attr"`
		Failure *xmlDetail `xml:"failure"`
		Error   *xmlDetail `xml:"error"`
		Output  string     `xml:"system-out,omitempty"`
	}
	xmlDetail struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes all results of a run as one test suite.
func WriteJUnit(w io.Writer, results []scenario.Result) error {
	suite := xmlSuite{Name: "whitewater", Tests: len(results)}
	seconds := 0.0
	for _, r := range results {
		seconds += r.Seconds
		c := xmlCase{Name: xmlText(r.Scenario), Class: "whitewater.scenario", Time: fmt.Sprintf("%.3f", r.Seconds), Output: xmlText(r.Summary)}
		detail := &xmlDetail{Message: xmlText(r.Summary), Type: string(r.Verdict), Text: xmlText(strings.Join(details(r), "\n"))}
		switch r.Verdict {
		case check.Pass:
		case check.Fail:
			c.Failure = detail
			suite.Failures++
		default:
			c.Error = detail
			suite.Errors++
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Time = fmt.Sprintf("%.3f", seconds)
	if len(results) > 0 {
		suite.Stamp = results[0].Started.UTC().Format("2006-01-02T15:04:05")
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(xmlSuites{Suites: []xmlSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// xmlText drops what XML 1.0 forbids, even escaped: control characters other than tab and line ends,
// surrogates, the last two code points of the first plane. Bytes that are no UTF-8 become U+FFFD.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' ||
			r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF {
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
