// Package sim runs whole clusters of the real protocol and the real storage under one seed.
package sim
