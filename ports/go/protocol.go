package main

// The loop that answers requests, and the table of the verbs (SPEC.md, sections 11 and 12), which are also the levels of
// the ladder. How requests are read stands in request.go, what each verb does in verbs_numbers.go and verbs_model.go.

import (
	"bufio"
	"fmt"
	"io"
)

type verb struct {
	name string
	// perform reads the rest of a request, and writes the reply but for its first and last line.
	perform func(in *request, out *reply) error
}

func verbs() []verb {
	return []verb{
		{"hello", helloVerb},
		{"arith", arithVerb},
		{"math", mathVerb},
		{"random", randomVerb},
		{"tokens", tokensVerb},
		{"graph", graphVerb},
		{"forward", forwardVerb},
		{"backward", backwardVerb},
		{"adam", adamVerb},
		{"train", trainVerb},
		{"sample", sampleVerb},
		{"run", runVerb},
	}
}

// serve answers requests until the input ends.
func serve(input io.Reader, output io.Writer) error {
	in, out, writer := newRequest(input), &reply{}, bufio.NewWriter(output)
	for in.begin() {
		out.text = out.text[:0]
		if id, err := answer(in, out); err == nil {
			fmt.Fprintf(writer, "ok %s\n%send\n", id, out.text)
		} else {
			fmt.Fprintf(writer, "error %s %s\nend\n", id, err)
		}
		if err := writer.Flush(); err != nil {
			return fmt.Errorf("cannot write the reply: %w", err)
		}
	}
	return in.broken
}

func answer(in *request, out *reply) (id string, err error) {
	name, id := in.header()
	if in.err == nil {
		err = perform(name, in, out)
	}
	in.skip()
	if in.err != nil {
		return id, in.err
	}
	return id, err
}

func perform(name string, in *request, out *reply) error {
	for _, v := range verbs() {
		if v.name == name {
			return v.perform(in, out)
		}
	}
	return errUnsupported
}
