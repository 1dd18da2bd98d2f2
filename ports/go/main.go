// Microgpt in Go, bit for bit what the reference computes: answers requests (SPEC, section 11), or is run by people.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

const usage = "usage: microgpt (answers requests) or microgpt run [seed|classic] < names.txt"

func main() {
	var err error
	if arguments := os.Args[1:]; len(arguments) == 0 {
		err = serve(os.Stdin, os.Stdout)
	} else {
		err = run(arguments, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "microgpt:", err)
		os.Exit(1)
	}
}

func run(arguments []string, input io.Reader, output io.Writer) error {
	p, known := presets[append(arguments, "seed")[1]]
	if arguments[0] != "run" || len(arguments) > 2 || !known {
		return errors.New(usage)
	}
	text, err := io.ReadAll(input)
	if err != nil {
		return fmt.Errorf("cannot read the names: %w", err)
	}
	if !utf8.Valid(text) {
		return errors.New("standard input is not text in UTF-8")
	}
	lines := bufio.NewWriter(output) // which keeps an error
	_, err = p.run(strings.Split(string(text), "\n"), newGenerator(42, exactMath), func(format string, values ...any) {
		fmt.Fprintf(lines, format+"\n", values...)
		lines.Flush() // so that people see each step
	})
	return errors.Join(err, lines.Flush())
}
