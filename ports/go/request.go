package main

// The text form of requests (SPEC.md, section 11): lines of words, doubles as hex digits, tensors. What the keys mean
// stands in verbs_numbers.go and verbs_model.go.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

const (
	lineLimit = 65536
	textLimit = 10000
	anyNumber = math.MaxInt
)

// request reads one request after another. After the first thing that is wrong, err says what, and every further read
// returns a zero value at once. So a verb reads all it needs, and asks finish for the error before it computes.
type request struct {
	input *bufio.Reader
	line  []byte   // the next line, or the one just taken
	words [][]byte // the words of line; none if line breaks the rules
	state lineState
	taken bool  // the line has been used, the next one is to be read
	form  error // what breaks the rules for all lines in it
	err   error

	broken error // why the input ended, if not by its end
}

type lineState int

const (
	ordinary lineState = iota
	endLine
	endOfInput
)

var (
	errCut         = errors.New("the input ended before the line 'end'")
	errUnsupported = errors.New("unsupported")
)

func newRequest(input io.Reader) *request {
	return &request{input: bufio.NewReaderSize(input, lineLimit+1), taken: true}
}

// begin goes to the next request, if there is one.
func (in *request) begin() bool {
	in.err = nil
	in.readLine()
	return in.state != endOfInput || len(in.line) > 0
}

// header is the first line. An id that breaks the rules is given as "-".
func (in *request) header() (verb, id string) {
	if in.state == ordinary && in.form == nil && len(in.words) == 2 && isID(in.words[1]) {
		in.taken = true
		return string(in.words[0]), string(in.words[1])
	}
	switch {
	case in.state == endOfInput:
		in.failf("%w", errCut)
	case in.state == ordinary && in.form != nil:
		in.failf("%w", in.form)
	default:
		in.failf("a request begins with a verb and an id of 1 to 64 letters digits . _ - and not with %s", in.came())
	}
	return "", "-"
}

func isID(word []byte) bool {
	for _, c := range word {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && !('0' <= c && c <= '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(word) <= 64
}

// skip reads on to the line `end`, if the input has one.
func (in *request) skip() {
	for in.state == ordinary {
		in.readLine()
	}
	if in.state == endOfInput {
		in.failf("%w", errCut)
	}
	in.taken = true
}

// finish says what was wrong with the request, the end of which must have been reached.
func (in *request) finish() error {
	if in.advance(); in.state != endLine {
		in.unexpected("the end")
	}
	return in.err
}

func (in *request) failf(format string, values ...any) {
	if in.err == nil {
		in.err = fmt.Errorf(format, values...)
	}
}

// unexpected fails because the next line is not what it should be.
func (in *request) unexpected(wanted string) {
	switch {
	case in.state == endOfInput:
		in.failf("%w", errCut)
	case in.state == ordinary && in.form != nil:
		in.failf("%w", in.form)
	default:
		in.failf("expected %s and not %s", wanted, in.came())
	}
}

// came names what the next line is. It must not break the rules.
func (in *request) came() string {
	if in.state != ordinary {
		return "the end"
	}
	return quoted(in.words[0])
}

func quoted(word []byte) string {
	if len(word) > 40 {
		return fmt.Sprintf("'%s...'", word[:40])
	}
	return fmt.Sprintf("'%s'", word)
}

// ---------------------------------------------------------------- lines

func (in *request) advance() {
	if in.taken && in.err == nil {
		in.readLine()
	}
}

// readLine reads a line. One that the input cuts off is none. Of one that is too long, nothing is kept.
func (in *request) readLine() {
	line, err := in.input.ReadSlice('\n')
	long := errors.Is(err, bufio.ErrBufferFull)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = in.input.ReadSlice('\n')
	}
	in.taken = false
	in.line, in.words = line, in.words[:0]
	in.state, in.form = ordinary, nil
	switch {
	case err != nil:
		in.state = endOfInput
		if !errors.Is(err, io.EOF) {
			in.broken = fmt.Errorf("cannot read requests: %w", err)
		}
	case long:
		in.form = fmt.Errorf("a line has at most %d bytes and this one has more", lineLimit)
	case string(line) == "end\n":
		in.state = endLine
	default:
		in.form = in.split(line[:len(line)-1])
	}
}

// split cuts a line at its spaces. It checks what holds for all lines.
func (in *request) split(line []byte) error {
	start := 0
	for i, c := range line {
		if c < ' ' || c > '~' {
			in.words = in.words[:0]
			return errors.New("a line is printable ASCII and this one has another byte")
		}
		if c == ' ' {
			in.words = append(in.words, line[start:i])
			start = i + 1
		}
	}
	in.words = append(in.words, line[start:])
	for _, word := range in.words {
		if len(word) == 0 {
			in.words = in.words[:0]
			return errors.New("a line has words with single spaces between them and this one has not")
		}
	}
	return nil
}

// key is the first word of the next line, empty if there is none.
func (in *request) key() string {
	if in.advance(); in.err == nil && in.state == ordinary && len(in.words) > 0 {
		return string(in.words[0])
	}
	return ""
}

// more tells whether there is a next line to be read.
func (in *request) more() bool {
	in.advance()
	return in.err == nil && in.state == ordinary
}

// values takes the next line, which must have this key and so many words after it. They are good until the next line
// is read.
func (in *request) values(key string, least, most int) [][]byte {
	in.advance()
	if in.err != nil {
		return nil
	}
	if in.state != ordinary || in.form != nil || string(in.words[0]) != key {
		in.unexpected("a line " + key)
		return nil
	}
	words := in.words[1:]
	switch {
	case len(words) >= least && len(words) <= most:
		in.taken = true
		return words
	case least == most:
		in.failf("%s takes %d values and not %d", key, least, len(words))
	case most == anyNumber:
		in.failf("%s takes %d values or more and not %d", key, least, len(words))
	default:
		in.failf("%s takes %d to %d values and not %d", key, least, most, len(words))
	}
	return nil
}

// ---------------------------------------------------------------- values

const doubleForm = "%s takes doubles of 16 lower-case hex digits and not %s"

func (in *request) parseDouble(word []byte) float64 {
	var pattern uint64
	for _, c := range word {
		switch {
		case '0' <= c && c <= '9':
			pattern = pattern<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			pattern = pattern<<4 | uint64(c-'a'+10)
		default:
			in.failf(doubleForm, in.words[0], quoted(word))
			return 0
		}
	}
	if len(word) != 16 {
		in.failf(doubleForm, in.words[0], quoted(word))
	}
	return math.Float64frombits(pattern)
}

// parseInteger returns low if the word is none.
func (in *request) parseInteger(word []byte, low, high int64) int64 {
	n, right := int64(0), len(word) <= 10 && (word[0] != '0' || len(word) == 1)
	for i := 0; right && i < len(word); i++ {
		right = '0' <= word[i] && word[i] <= '9'
		n = 10*n + int64(word[i]-'0')
	}
	switch {
	case !right:
		in.failf("%s takes decimal integers without sign or leading zeros and not %s", in.words[0], quoted(word))
	case n < low || n > high:
		in.failf("%s takes integers from %d to %d and not %d", in.words[0], low, high, n)
	default:
		return n
	}
	return low
}

func (in *request) parseIndex(word []byte, low, high int) int {
	return int(in.parseInteger(word, int64(low), int64(high)))
}

func (in *request) parseWord32(word []byte) uint32 {
	return uint32(in.parseInteger(word, 0, math.MaxUint32))
}

func (in *request) appendDoubles(numbers []float64, words [][]byte) []float64 {
	for _, word := range words {
		numbers = append(numbers, in.parseDouble(word))
	}
	return numbers
}

func (in *request) doubles(key string, least, most int) []float64 {
	return in.appendDoubles(nil, in.values(key, least, most))
}

func (in *request) double(key string) float64 {
	for _, word := range in.values(key, 1, 1) {
		return in.parseDouble(word)
	}
	return 0
}

func (in *request) integers(key string, least, most, low, high int) []int {
	var numbers []int
	for _, word := range in.values(key, least, most) {
		numbers = append(numbers, in.parseIndex(word, low, high))
	}
	return numbers
}

// integer returns low if there is none.
func (in *request) integer(key string, low, high int) int {
	for _, word := range in.values(key, 1, 1) {
		return in.parseIndex(word, low, high)
	}
	return low
}

// choice returns the first option if none has come.
func (in *request) choice(key string, options ...string) string {
	for _, word := range in.values(key, 1, 1) {
		for _, option := range options {
			if string(word) == option {
				return option
			}
		}
		in.failf("%s is %s and not %s", key, strings.Join(options, " or "), quoted(word))
	}
	return options[0]
}

func (in *request) text(key string) string {
	var text strings.Builder
	for _, word := range in.values(key, 0, textLimit) {
		point := rune(in.parseInteger(word, 0, 0x10ffff))
		if 0xd800 <= point && point <= 0xdfff {
			in.failf("%s takes Unicode code points and %d is a surrogate", key, point)
		}
		text.WriteRune(point)
	}
	return text.String()
}

// tensor appends the numbers of a tensor of this name and shape, row by row. So a request that promises a big tensor
// and does not have it needs no memory for it.
func (in *request) tensor(numbers []float64, name string, rows, columns int) []float64 {
	words := in.values("tensor", 3, 3)
	if words == nil {
		return numbers
	}
	wanted, came := fmt.Sprintf("%s %d %d", name, rows, columns), fmt.Sprintf("%s %s %s", words[0], words[1], words[2])
	if wanted != came {
		in.failf("expected tensor %s and not %s", wanted, quoted([]byte(came)))
	}
	for i := 0; i < rows && in.err == nil; i++ {
		numbers = in.appendDoubles(numbers, in.values("row", columns, columns))
	}
	return numbers
}

// shape is that of the tensor that comes next, which is left to be read.
func (in *request) shape() (rows, columns int) {
	words := in.values("tensor", 3, 3)
	if words == nil {
		return 1, 1
	}
	in.taken = false
	return in.parseIndex(words[1], 1, 2048), in.parseIndex(words[2], 1, 2048)
}
