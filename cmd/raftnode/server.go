package main

import (
	"log/slog"
	"net/http"
	"time"
)

// newHTTPServer bounds what a client can hold: time for headers, body and answer, and bytes of headers.
func newHTTPServer(handler http.Handler, maxKeyBytes int, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16<<10 + 3*maxKeyBytes, // each byte of a key may be escaped as three
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}
