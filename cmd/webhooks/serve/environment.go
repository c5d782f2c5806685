package serve

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

// variable names the variable that stands in for a flag.
func variable(flagName string) string {
	return "WEBHOOK_SERVER_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// inFiles returns the flags whose values are or hold secrets; the address of a Redis
// may hold a password. Docker and Kubernetes hand secrets out in files, so a variable
// that ends in _FILE may name a file with the value.
func inFiles() []string { return []string{"store", "secret-key", "jwt-secret", "smtp-password"} }

// instead returns the flags that make the program do something else than serve. They
// have no variables.
func instead() []string { return []string{"check", "token"} }

// fromEnvironment sets the flags that were not given from the variables of their
// names. Other users of the machine can see a process's arguments, but not its
// environment.
func fromEnvironment(fs *flag.FlagSet) error {
	var bad []error
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	fs.VisitAll(func(f *flag.Flag) {
		if given[f.Name] || slices.Contains(instead(), f.Name) {
			return
		}
		name := variable(f.Name)
		value := os.Getenv(name)
		if file := os.Getenv(name + "_FILE"); file != "" && slices.Contains(inFiles(), f.Name) {
			if value != "" {
				bad = append(bad, fmt.Errorf("%s and %s_FILE are both set: set one", name, name))
				return
			}
			var err error
			name += "_FILE"
			if value, err = secretIn(file); err != nil {
				bad = append(bad, named(name, err))
				return
			}
		}
		if value != "" && fs.Set(f.Name, value) != nil {
			bad = append(bad, fmt.Errorf("%s is not a value of -%s", name, f.Name)) // The error would quote it.
		}
	})
	return errors.Join(bad...)
}

// secretIn reads a file that holds a secret, without the end of line that editors add.
func secretIn(file string) (string, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return "", err
	}
	line, _ := strings.CutSuffix(string(text), "\n")
	if line, _ = strings.CutSuffix(line, "\r"); line == "" {
		return "", errors.New("the file is empty")
	}
	return line, nil
}
