package main

// The text form of requests and replies (SPEC, sections 11 and 13).

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

const (
	lineLimit = 65536
	anyNumber = lineLimit // of values
)

// request has the lines that have not been taken yet. The last is "end", which no verb takes.
type request []string

// readRequest ends early if the input does. A line that is too long becomes an empty one: neither is allowed.
func readRequest(input *bufio.Reader) (in request) {
	for {
		line, err := input.ReadString('\n')
		if err != nil && line == "" {
			return in
		}
		if line = strings.TrimSuffix(line, "\n"); len(line) > lineLimit {
			line = ""
		}
		if in = append(in, line); line == "end" {
			return in
		}
	}
}

func (in request) key() string {
	key, _, _ := strings.Cut(in[0], " ")
	return key
}

func (in *request) line() (key string, values []string) {
	words := strings.Split((*in)[0], " ")
	*in = (*in)[1:]
	return words[0], words[1:]
}

// take takes a line with this key and so many values.
func (in *request) take(key string, least, most int) []string {
	found, values := in.line()
	ensure(found == key, "expected %s and not %+.30q", key, found)
	ensure(least <= len(values) && len(values) <= most, "%s takes other values than these %d", key, len(values))
	return values
}

// call takes a line that calls the function of its key. The function's type tells which values belong there: doubles,
// integers and, by number, values made before. It returns what the function does.
func (in *request) call(functions map[string]any, made vector) (key string, result any) {
	key, words := in.line()
	function, known := functions[key]
	ensure(known, "there is no %+.30q here", key)
	f := reflect.ValueOf(function)
	last, variadic := f.Type().NumIn()-1, f.Type().IsVariadic()
	ensure(len(words)-1 == last || len(words) > last && variadic, "%s takes other values than these %d", key, len(words))
	return key, f.Call(list(len(words), func(i int) reflect.Value {
		parameter := f.Type().In(min(i, last))
		if variadic && i >= last {
			parameter = parameter.Elem()
		}
		switch parameter.Kind() {
		case reflect.Float64:
			return reflect.ValueOf(parseDouble(words[i]))
		case reflect.Int:
			return reflect.ValueOf(parseInteger(words[i], 0, 10000))
		default:
			return reflect.ValueOf(made[parseInteger(words[i], 0, len(made)-1)])
		}
	}))[0].Interface()
}

// calls answers each line with what the function of its key makes of it.
func (in *request) calls(out *reply, functions map[string]any) {
	for more := true; more; more = in.key() != "end" {
		out.line(in.call(functions, nil))
	}
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
	return convert(words, func(word string) int { return parseInteger(word, low, high) })
}

func (in *request) double(key string) float64 { return parseDouble(in.take(key, 1, 1)[0]) }

func (in *request) integer(key string, low, high int) int {
	return parseInteger(in.take(key, 1, 1)[0], low, high)
}

func (in *request) increasing(key string, least, low, high int) []int {
	numbers := parseIntegers(in.take(key, least, anyNumber), low, high)
	ensure(slices.IsSorted(numbers) && len(slices.Compact(slices.Clone(numbers))) == len(numbers), "%s increases", key)
	return numbers
}

// choice is the number of a word among these.
func (in *request) choice(key string, words ...string) int {
	i := slices.Index(words, in.take(key, 1, 1)[0])
	ensure(i >= 0, "%s is one of %v", key, words)
	return i
}

func (in *request) tensor(name string, rows, columns int) (numbers []float64) {
	expected := fmt.Sprintf("[%s %d %d]", name, rows, columns)
	ensure(fmt.Sprint(in.take("tensor", 3, 3)) == expected, "expected the tensor %s", expected)
	for range rows {
		numbers = append(numbers, convert(in.take("row", columns, columns), parseDouble)...)
	}
	return numbers
}

type reply struct{ bytes.Buffer }

type verbatim string

// line writes doubles by their bits, text by its code points, and lists without their brackets.
func (out *reply) line(key string, value any) {
	format := " %d"
	switch found := value.(type) {
	case float64:
		format, value = " %016x", pattern(found)
	case []float64:
		format, value = " %016x", convert(found, pattern)
	case string:
		value = []rune(found)
	case verbatim:
		format = " %s"
	}
	fmt.Fprintln(out, strings.TrimSpace(key+strings.NewReplacer("[", "", "]", "").Replace(fmt.Sprintf(format, value))))
}

// pattern is the bits of x. All NaNs are written alike.
func pattern(x float64) uint64 {
	if x != x {
		return 0x7ff8000000000000
	}
	return math.Float64bits(x)
}

func (out *reply) tensor(name string, columns int, numbers []float64) {
	fmt.Fprintln(out, "tensor", name, len(numbers)/columns, columns)
	for row := range slices.Chunk(numbers, columns) {
		out.line("row", row)
	}
}

func (out *reply) checksum(key string, numbers []float64) {
	const modulus = 4294967291
	a, b := uint64(1), uint64(0)
	for _, bits := range convert(numbers, pattern) {
		for _, half := range [2]uint64{bits >> 32, bits & 0xffffffff} {
			a = (a + half) % modulus
			b = (b + a) % modulus
		}
	}
	fmt.Fprintf(out, "%s %08x %08x\n", key, a, b)
}
