package main

// The text form of replies (SPEC.md, sections 11 and 13): lines of words, doubles as hex digits, tensors, checksums.

import (
	"math"
	"strconv"
)

// reply holds the lines of a reply back until it is sure that there will be no error.
type reply struct{ text []byte }

func (out *reply) begin(key string)     { out.text = append(out.text, key...) }
func (out *reply) end()                 { out.text = append(out.text, '\n') }
func (out *reply) word(word string)     { out.text = append(append(out.text, ' '), word...) }
func (out *reply) integer(n int64)      { out.text = strconv.AppendInt(append(out.text, ' '), n, 10) }
func (out *reply) double(x float64)     { out.text = appendHex(append(out.text, ' '), pattern(x), 16) }
func (out *reply) checkWord(sum uint64) { out.text = appendHex(append(out.text, ' '), sum, 8) }

// pattern is the bits of x; all NaNs are written alike.
func pattern(x float64) uint64 {
	if x != x {
		return 0x7ff8000000000000
	}
	return math.Float64bits(x)
}

func appendHex(text []byte, bits uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		text = append(text, "0123456789abcdef"[bits>>shift&15])
	}
	return text
}

func (out *reply) words(key string, words ...string) {
	out.begin(key)
	for _, word := range words {
		out.word(word)
	}
	out.end()
}

func (out *reply) integers(key string, numbers ...int) {
	out.begin(key)
	for _, n := range numbers {
		out.integer(int64(n))
	}
	out.end()
}

func (out *reply) doubles(key string, numbers ...float64) {
	out.begin(key)
	for _, x := range numbers {
		out.double(x)
	}
	out.end()
}

func (out *reply) codePoints(key, text string) {
	out.begin(key)
	for _, point := range text {
		out.integer(int64(point))
	}
	out.end()
}

func (out *reply) tensor(name string, columns int, numbers []float64) {
	out.begin("tensor")
	out.word(name)
	out.integer(int64(len(numbers) / columns))
	out.integer(int64(columns))
	out.end()
	for ; len(numbers) > 0; numbers = numbers[columns:] {
		out.doubles("row", numbers[:columns]...)
	}
}

// checksum writes two running sums over the halves of all patterns (SPEC.md, section 13). The remainders are taken
// every 4096 halves, which keeps the second sum below 2^57.
func (out *reply) checksum(key string, numbers []float64) {
	const modulus = 4294967291
	a, b := uint64(1), uint64(0)
	for i, x := range numbers {
		bits := pattern(x)
		a += bits >> 32
		b += a
		a += bits & 0xffffffff
		b += a
		if i%2048 == 2047 {
			a, b = a%modulus, b%modulus
		}
	}
	out.begin(key)
	out.checkWord(a % modulus)
	out.checkWord(b % modulus)
	out.end()
}
