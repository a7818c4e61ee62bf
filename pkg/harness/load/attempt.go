package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
)

// maxBodyBytes bounds what a client reads of one answer.
const maxBodyBytes = 16 << 20

// answer is what a node said.
type answer struct {
	status int
	header http.Header
	body   []byte
	fields answerFields
}

// answerFields are those of the JSON bodies, of successes and errors alike.
type answerFields struct {
	Index    uint64 `json:"index"`
	Term     uint64 `json:"term"`
	Revision uint64 `json:"revision"`
	Session  any    `json:"session"` // a string or a number
	Error    string `json:"error"`
	Message  string `json:"message"`
	Outcome  string `json:"outcome"`
}

// attempt makes one HTTP request and says what is known of its effect.
func attempt(ctx context.Context, client *http.Client, node Node, r request) (Attempt, answer) {
	a := Attempt{Node: node.ID, URL: node.URL + r.path, Call: Monotonic()}
	reply, sent, err := send(ctx, client, a.URL, r)
	a.Return = Monotonic()
	a.Status = reply.status
	switch {
	case err != nil && !sent:
		a.Outcome, a.Err = Refused, err.Error()
	case err != nil:
		a.Outcome, a.Err = Unknown, err.Error()
	default:
		a.Outcome = classify(reply)
		if a.Outcome != OK {
			a.Err = strings.TrimSpace(reply.fields.Error + " " + reply.fields.Message)
		}
	}
	return a, reply
}

// send returns the answer, and whether the request may have reached the node. A request that never got
// a connection reached nobody.
func send(ctx context.Context, client *http.Client, url string, r request) (answer, bool, error) {
	var connected atomic.Bool // written by the transport's goroutine
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), r.method, url, strings.NewReader(r.body))
	if err != nil {
		return answer{}, false, fmt.Errorf("make request: %w", err)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, connected.Load(), err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes+1))
	err = errors.Join(err, resp.Body.Close())
	if err == nil && len(body) > maxBodyBytes {
		err = fmt.Errorf("answer of more than %d bytes", maxBodyBytes)
	}
	reply := answer{status: resp.StatusCode, header: resp.Header, body: body}
	if err != nil {
		return reply, true, fmt.Errorf("read answer: %w", err)
	}
	if r.method != http.MethodGet || resp.StatusCode != http.StatusOK {
		// A body that is no JSON leaves the fields empty; the status then speaks alone.
		if json.Unmarshal(body, &reply.fields) != nil {
			reply.fields = answerFields{}
		}
	}
	return reply, true, nil
}

// classify maps a complete answer. 412 and a 404 are answers too: what they mean is the operation's affair.
func classify(a answer) Outcome {
	switch {
	case a.fields.Outcome == "unknown", a.status == http.StatusGatewayTimeout:
		return Unknown
	case a.status >= 200 && a.status < 300:
		return OK
	case a.fields.Outcome == "none", a.status < 500, a.status == http.StatusServiceUnavailable:
		return Refused
	}
	return Unknown
}

// revision is the key's, from the body or else from the ETag.
func (a answer) revision() uint64 {
	if a.fields.Revision != 0 {
		return a.fields.Revision
	}
	n, err := strconv.ParseUint(strings.Trim(a.header.Get("ETag"), `"`), 10, 64)
	if err != nil {
		return 0 // none given
	}
	return n
}

func (a answer) headerNumber(name string) uint64 {
	n, err := strconv.ParseUint(a.header.Get(name), 10, 64)
	if err != nil {
		return 0 // none given
	}
	return n
}

// redirect is the node that a 307 points to, if it is one that clients know. Others are not followed:
// a restarted node's old port may by now belong to another cluster.
func (a answer) redirect(nodes []Node) (Node, bool) {
	if a.status != http.StatusTemporaryRedirect {
		return Node{}, false
	}
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		return Node{}, false
	}
	base := to.Scheme + "://" + to.Host
	for _, n := range nodes {
		if n.URL == base {
			return n, true
		}
	}
	return Node{}, false
}
