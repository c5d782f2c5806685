//go:build !race

package storetest

// quickSequences is how many random sequences [Run] tries.
const quickSequences = 150
