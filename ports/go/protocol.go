package main

// The text form of requests and replies (SPEC, sections 11 and 13).

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	lineLimit = 65536
	anyNumber = lineLimit // of values
)

var header = regexp.MustCompile(`^([!-~]+) ([A-Za-z0-9._-]{1,64})$`)

// request has the lines that have not been taken yet, but for the last, which is `end`.
type request []string

// readRequest also tells whether it found the end. A line that is too long becomes an empty one: neither is allowed.
func readRequest(input *bufio.Reader) (in request, complete bool) {
	for {
		line, err := input.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line == "end" || err != nil && line == "" {
			return in, line == "end"
		}
		if len(line) > lineLimit {
			line = ""
		}
		in = append(in, line)
	}
}

func (in request) key() string {
	key, _, _ := strings.Cut(append(in, "end")[0], " ")
	return key
}

func (in *request) next() (line string) {
	line = append(*in, "end")[0]
	*in = (*in)[min(1, len(*in)):]
	return line
}

// take takes a line with this key and so many values.
func (in *request) take(key string, least, most int) []string {
	found, words := in.line()
	ensure(found == key, "expected %s and not %+.30q", key, found)
	ensure(least <= len(words) && len(words) <= most, "%s takes %d to %d values and not %d", key, least, most, len(words))
	return words
}

func (in *request) line() (key string, words []string) {
	words = strings.Split(in.next(), " ")
	return words[0], words[1:]
}

// each takes all lines up to the end, of which there is one at least.
func (in *request) each(take func(key string, words []string)) {
	for more := true; more; more = in.key() != "end" {
		take(in.line())
	}
}

// only is these values if they are so many.
func only[T any](values []T, count int) []T {
	ensure(len(values) == count, "expected %d values and not %d", count, len(values))
	return values
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
	ensure(err == nil && len(word) == 16 && strings.ToLower(word) == word, "expected a double and not %+.30q", word)
	return math.Float64frombits(pattern)
}

func parseInteger(word string, low, high int) int {
	n, err := strconv.Atoi(word)
	valid := err == nil && strconv.Itoa(n) == word && low <= n && n <= high
	ensure(valid, "expected an integer from %d to %d and not %+.30q", low, high, word)
	return n
}

func parseIntegers(words []string, low, high int) []int {
	return parse(words, func(word string) int { return parseInteger(word, low, high) })
}

func (in *request) double(key string) float64 { return parseDouble(in.take(key, 1, 1)[0]) }

func (in *request) integer(key string, low, high int) int {
	return parseInteger(in.take(key, 1, 1)[0], low, high)
}

func (in *request) increasing(key string, least, low, high int) []int {
	numbers := parseIntegers(in.take(key, least, anyNumber), low, high)
	for i := range len(numbers) - 1 {
		ensure(numbers[i] < numbers[i+1], "the values of %s increase", key)
	}
	return numbers
}

// choice is whether the word is the second of two.
func (in *request) choice(key, first, second string) bool {
	word := in.take(key, 1, 1)[0]
	ensure(word == first || word == second, "%s is %s or %s and not %+.30q", key, first, second, word)
	return word == second
}

func (in *request) functions() *functions {
	if in.choice("math", "exact", "native") {
		return nativeMath
	}
	return exactMath
}

func (in *request) tensor(name string, rows, columns int) (numbers []float64) {
	expected := fmt.Sprintf("tensor %s %d %d", name, rows, columns)
	ensure(in.next() == expected, "expected %s", expected)
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
