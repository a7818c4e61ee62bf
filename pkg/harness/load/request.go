package load

import (
	"net/http"
	"net/url"
	"strconv"
)

// request is an operation as HTTP, the same at every node.
type request struct {
	method string
	path   string // with the query
	body   string
	header map[string]string
}

// request is the operation as HTTP.
func (o Operation) request() request {
	r := request{path: "/v1/kv/" + url.PathEscape(o.Key), body: o.Input, header: map[string]string{}}
	switch o.Kind {
	case Get:
		r.method = http.MethodGet
		if o.Stale {
			r.path += "?consistency=stale"
		}
	case Append:
		r.method = http.MethodPost
		r.path += "?op=append"
	case Delete:
		r.method = http.MethodDelete
	case Put:
		r.method = http.MethodPut
	case CAS:
		r.method = http.MethodPut
		if o.Expect == 0 {
			r.header["If-None-Match"] = "*"
		} else {
			r.header["If-Match"] = strconv.Quote(strconv.FormatUint(o.Expect, 10))
		}
	}
	if o.Session != "" {
		r.header["Session-Id"] = o.Session
		r.header["Session-Seq"] = strconv.FormatUint(o.Seq, 10)
	}
	return r
}
