//go:build race

package storetest

// quickSequences is how many random sequences [Run] tries. They make one call after the
// other, in which the race detector finds nothing but time.
const quickSequences = 30
