// Microgpt in Go, bit for bit what the reference computes: answers requests (SPEC, section 11), or runs a preset.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"
)

func main() {
	work := serve
	if len(os.Args) > 1 {
		work = runForPeople
	}
	if problem := attempt(work); problem != "" {
		fmt.Fprintln(os.Stderr, "microgpt:", problem)
		os.Exit(1)
	}
}

func runForPeople() {
	p, known := presets[append(os.Args, "seed")[2]]
	ensure(os.Args[1] == "run" && len(os.Args) <= 3 && known, "usage: microgpt [run [seed|classic] < names.txt]")
	text, err := io.ReadAll(os.Stdin)
	ensure(err == nil && utf8.Valid(text), "standard input is not text in UTF-8")
	p.run(strings.Split(string(text), "\n"), newGenerator(42, exactMath), func(line string) { fmt.Println(line) })
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

var header = regexp.MustCompile(`^([!-~]+) ([A-Za-z0-9._-]{1,64})$`)

// serve answers requests until the input ends.
func serve() {
	input := bufio.NewReader(os.Stdin)
	for in := readRequest(input); len(in) > 0; in = readRequest(input) {
		id, out := "-", &reply{}
		problem := attempt(func() {
			words := header.FindStringSubmatch(in[0])
			ensure(words != nil, "a request begins with a verb and an id of 1 to 64 letters digits . _ -")
			id = words[2]
			ensure(in[len(in)-1] == "end", "the input ended before the line end")
			verb, known := verbs[words[1]]
			ensure(known, "unsupported")
			in = in[1:]
			verb(&in, out)
			in.take("end", 0, 0)
		})
		if problem != "" {
			fmt.Printf("error %s %s\nend\n", id, problem)
		} else {
			fmt.Printf("ok %s\n%send\n", id, out)
		}
	}
}

// list has n elements.
func list[T any](n int, element func(i int) T) []T {
	items := make([]T, n)
	for i := range items {
		items[i] = element(i)
	}
	return items
}

// convert has what each item becomes.
func convert[A, B any](items []A, one func(item A) B) []B {
	return list(len(items), func(i int) B { return one(items[i]) })
}
