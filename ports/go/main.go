// Microgpt in Go, bit for bit what the reference computes.
//
// Without arguments it answers requests of the protocol (SPEC.md, section 11) from standard input. It is also a
// program for people:
//
//	microgpt run [seed|classic] < names.txt
//
// trains on the lines of a text and prints new ones.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode/utf8"
)

const usage = `usage: microgpt                                  answer requests from standard input
       microgpt run [seed|classic] < names.txt   train on the names (one a line) and make new ones`

// usageError says what is wrong with the arguments.
type usageError string

func (e usageError) Error() string { return string(e) + "\n" + usage }

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that has gone shows as an error of write
	err := start(os.Args[1:], os.Stdin, os.Stdout)
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return
	}
	fmt.Fprintln(os.Stderr, "microgpt:", err)
	if errors.As(err, new(usageError)) {
		os.Exit(2)
	}
	os.Exit(1)
}

func start(arguments []string, input io.Reader, output io.Writer) error {
	switch {
	case len(arguments) == 0:
		return serve(input, output)
	case arguments[0] != "run" || len(arguments) > 2:
		return usageError(fmt.Sprintf("do not know what to do with '%s'", strings.Join(arguments, " ")))
	}
	name := "seed"
	if len(arguments) == 2 {
		name = arguments[1]
	}
	p, known := presetNamed(name)
	if !known {
		return usageError(fmt.Sprintf("there is no preset '%s'", name))
	}
	return runText(p, input, output)
}

// runText runs a preset on the lines of the input, which is UTF-8.
func runText(p preset, input io.Reader, output io.Writer) error {
	text, err := io.ReadAll(input)
	if err != nil {
		return fmt.Errorf("cannot read the names from standard input: %w", err)
	}
	if !utf8.Valid(text) {
		return errors.New("standard input is not text in UTF-8")
	}
	r, err := newRun(p, strings.Split(string(text), "\n"), exactMath)
	if err != nil {
		return err
	}
	return r.text(func(line string) error {
		if _, err := fmt.Fprintln(output, line); err != nil {
			return fmt.Errorf("cannot write the text: %w", err)
		}
		return nil
	})
}
