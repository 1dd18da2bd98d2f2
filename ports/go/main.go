// Microgpt in Go, bit for bit what the reference computes: answers requests (SPEC, section 11), or runs a preset.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
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

// refusal is why a request cannot be answered. Whatever finds one panics, and answer recovers.
type refusal string

func refuse(format string, values ...any) {
	panic(refusal(fmt.Sprintf(format, values...)))
}

func check(err error) {
	if err != nil {
		refuse("%s", err)
	}
}

// serve answers requests until the input ends.
func serve(input io.Reader, output io.Writer) error {
	reader := bufio.NewReaderSize(input, lineLimit+1)
	for {
		in := readRequest(reader)
		if len(in) == 0 {
			return nil
		}
		if _, err := io.WriteString(output, answer(in)); err != nil {
			return fmt.Errorf("cannot write the reply: %w", err)
		}
	}
}

var header = regexp.MustCompile(`^([!-~]+) ([A-Za-z0-9._-]{1,64})$`)

func answer(in request) (text string) {
	id := "-"
	defer func() {
		switch problem := recover().(type) {
		case nil:
		case refusal:
			text = fmt.Sprintf("error %s %s\nend\n", id, problem)
		default:
			panic(problem)
		}
	}()
	words := header.FindStringSubmatch(in[0])
	if words == nil {
		refuse("a request begins with a verb and an id of 1 to 64 letters, digits, dots, underscores or hyphens")
	}
	id = words[2]
	perform, known := verbs[words[1]]
	if in = in[1:]; !known {
		refuse("unsupported")
	}
	out := &reply{}
	perform(&in, out)
	in.take("end", 0, 0)
	return fmt.Sprintf("ok %s\n%send\n", id, out)
}
