package main

// The text form of requests and replies (SPEC, sections 11 and 13).

import (
	"bufio"
	"bytes"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	lineLimit = 65536
	anyNumber = lineLimit // of values
)

// request has the lines that have not been taken yet. The last is `end`.
type request []string

// Lines that no rule allows stand for what was not a line.
const (
	cutShort = "(the input ended)"
	tooLong  = "(a line of more than 65536 bytes)"
)

// readRequest returns nothing at the end of the input.
func readRequest(input *bufio.Reader) (in request) {
	for len(in) == 0 || in[len(in)-1] != "end" {
		line, err := input.ReadSlice('\n')
		text := strings.TrimSuffix(string(line), "\n")
		if len(line) == 0 {
			if len(in) > 0 {
				in = append(in, cutShort)
			}
			return in
		}
		for err == bufio.ErrBufferFull {
			text = tooLong
			_, err = input.ReadSlice('\n')
		}
		in = append(in, text)
	}
	return in
}

func (in *request) key() string {
	key, _, _ := strings.Cut((*in)[0], " ")
	return key
}

// next takes a line.
func (in *request) next() (key string, words []string) {
	words = strings.Split((*in)[0], " ")
	*in = (*in)[1:]
	return words[0], words[1:]
}

// take takes a line with this key and so many values.
func (in *request) take(key string, least, most int) []string {
	came := (*in)[0]
	found, words := in.next()
	if found != key || len(words) < least || len(words) > most {
		refuse("expected %s with %d to %d values and not %s", key, least, most, quoted(came))
	}
	return words
}

// rest takes all lines up to the end, or the end if there are none.
func (in *request) rest() iter.Seq2[string, []string] {
	return func(yield func(key string, words []string) bool) {
		for more := true; more; more = in.key() != "end" {
			if !yield(in.next()) {
				return
			}
		}
	}
}

// quoted is short, and has single spaces and no other byte than printable ASCII.
func quoted(text string) string {
	return fmt.Sprintf("%+.30q", strings.Join(strings.Fields(text), " "))
}

func parse[T any](words []string, one func(word string) T) []T {
	all := make([]T, len(words))
	for i, word := range words {
		all[i] = one(word)
	}
	return all
}

func parseDouble(word string) float64 {
	pattern, err := strconv.ParseUint(word, 16, 64)
	if err != nil || len(word) != 16 || strings.ToLower(word) != word {
		refuse("a double has 16 lower-case hex digits and is not %s", quoted(word))
	}
	return math.Float64frombits(pattern)
}

func parseInteger(word string, low, high int) int {
	n, err := strconv.Atoi(word)
	if err != nil || strconv.Itoa(n) != word || n < low || n > high {
		refuse("expected an integer from %d to %d and not %s", low, high, quoted(word))
	}
	return n
}

func parseIntegers(words []string, low, high int) []int {
	return parse(words, func(word string) int { return parseInteger(word, low, high) })
}

// parseText takes code points.
func parseText(words []string) string {
	if len(words) > 10000 {
		refuse("a text has at most 10000 code points and not %d", len(words))
	}
	return string(parse(words, func(word string) rune {
		n := parseInteger(word, 0, 0x10ffff)
		if 0xd800 <= n && n <= 0xdfff {
			refuse("a text has no surrogates such as %d", n)
		}
		return rune(n)
	}))
}

func (in *request) double(key string) float64 { return parseDouble(in.take(key, 1, 1)[0]) }

func (in *request) integer(key string, low, high int) int {
	return parseInteger(in.take(key, 1, 1)[0], low, high)
}

func (in *request) option(key string, options ...string) string {
	word := in.take(key, 1, 1)[0]
	if !slices.Contains(options, word) {
		refuse("%s is %s and not %s", key, strings.Join(options, " or "), quoted(word))
	}
	return word
}

func (in *request) functions() *functions {
	if in.option("math", "exact", "native") == "native" {
		return nativeMath
	}
	return exactMath
}

func (in *request) tensor(name string, rows, columns int) (numbers []float64) {
	if came, wanted := (*in)[0], fmt.Sprintf("tensor %s %d %d", name, rows, columns); came != wanted {
		refuse("expected %s and not %s", wanted, quoted(came))
	}
	in.next()
	for range rows {
		numbers = append(numbers, parse(in.take("row", columns, columns), parseDouble)...)
	}
	return numbers
}

type reply struct{ bytes.Buffer }

// line writes words, and lists without their brackets.
func (out *reply) line(key string, values ...any) {
	text := strings.NewReplacer("[", "", "]", "").Replace(fmt.Sprintln(values...))
	fmt.Fprintln(out, strings.TrimSpace(key+" "+text))
}

// pattern is the bits of x. All NaNs are written alike.
func pattern(x float64) uint64 {
	if x != x {
		return 0x7ff8000000000000
	}
	return math.Float64bits(x)
}

func (out *reply) doubles(key string, numbers ...float64) {
	out.WriteString(key)
	for _, x := range numbers {
		fmt.Fprintf(out, " %016x", pattern(x))
	}
	out.WriteByte('\n')
}

func (out *reply) tensor(name string, columns int, numbers []float64) {
	out.line("tensor", name, len(numbers)/columns, columns)
	for row := range slices.Chunk(numbers, columns) {
		out.doubles("row", row...)
	}
}

func (out *reply) checksum(key string, numbers []float64) {
	const modulus = 4294967291
	a, b := uint64(1), uint64(0)
	for _, x := range numbers {
		for _, half := range [2]uint64{pattern(x) >> 32, pattern(x) & 0xffffffff} {
			a = (a + half) % modulus
			b = (b + a) % modulus
		}
	}
	fmt.Fprintf(out, "%s %08x %08x\n", key, a, b)
}
