// Microgpt in Go, bit for bit what the reference computes: answers requests (SPEC, section 11), or runs a preset.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

func main() {
	problem := attempt(func() {
		if arguments := os.Args[1:]; len(arguments) == 0 {
			serve()
		} else {
			run(arguments)
		}
	})
	if problem != "" {
		fmt.Fprintln(os.Stderr, "microgpt:", problem)
		os.Exit(1)
	}
}

func run(arguments []string) {
	p, known := presets[append(arguments, "seed")[1]]
	ensure(arguments[0] == "run" && len(arguments) <= 2 && known, "usage: microgpt [run [seed|classic] < names.txt]")
	text, err := io.ReadAll(os.Stdin)
	ensure(err == nil && utf8.Valid(text), "standard input is not text in UTF-8")
	p.run(strings.Split(string(text), "\n"), 20, newGenerator(42, exactMath), func(format string, values ...any) {
		fmt.Printf(format+"\n", values...) // at once, so that people see each step
	})
}

// refusal is why something cannot be done. Whatever finds one panics, and attempt recovers.
type refusal string

func ensure(condition bool, otherwise string, values ...any) {
	if !condition {
		panic(refusal(fmt.Sprintf(otherwise, values...)))
	}
}

func attempt(do func()) (problem refusal) {
	defer func() {
		if found := recover(); found != nil {
			problem = found.(refusal)
		}
	}()
	do()
	return ""
}

// serve answers requests until the input ends.
func serve() {
	reader := bufio.NewReader(os.Stdin)
	for {
		in, complete := readRequest(reader)
		if !complete && len(in) == 0 {
			return
		}
		id, out := "-", &reply{}
		if problem := attempt(func() { answer(in, complete, &id, out) }); problem != "" {
			fmt.Printf("error %s %s\nend\n", id, problem)
		} else {
			fmt.Printf("ok %s\n%send\n", id, out)
		}
	}
}

func answer(in request, complete bool, id *string, out *reply) {
	words := header.FindStringSubmatch(in.next())
	ensure(words != nil, "a request begins with a verb and an id of 1 to 64 letters digits . _ -")
	*id = words[2]
	verb, known := verbs[words[1]]
	ensure(complete, "the input ended before the line end")
	ensure(known, "unsupported")
	verb(&in, out)
	in.take("end", 0, 0)
}
