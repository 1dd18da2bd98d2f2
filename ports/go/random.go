package main

// The stream of random numbers: the Mersenne Twister MT19937 of Matsumoto and Nishimura, and what Python makes of it.

import (
	"errors"
	"math"
	"math/bits"
)

const stateWords = 624

type generator struct {
	words   [stateWords]uint32
	index   int // of the next word; stateWords if all are used up
	hasKept bool
	kept    float64 // the second result of gauss, if hasKept
	math    *functions
	sums    []float64 // scratch for choice
}

// newGenerator seeds by init_by_array with a key of one word.
func newGenerator(seed uint32, math *functions) *generator {
	g := &generator{index: stateWords, math: math}
	mt := &g.words
	mt[0] = 19650218
	for i := 1; i < stateWords; i++ {
		mt[i] = 1812433253*(mt[i-1]^mt[i-1]>>30) + uint32(i)
	}
	i := 1
	stir := func(factor, plus uint32) {
		mt[i] = (mt[i] ^ (mt[i-1]^mt[i-1]>>30)*factor) + plus
		if i++; i == stateWords {
			mt[0] = mt[stateWords-1]
			i = 1
		}
	}
	for range stateWords {
		stir(1664525, seed)
	}
	for range stateWords - 1 {
		stir(1566083941, -uint32(i))
	}
	mt[0] = 1 << 31
	return g
}

func (g *generator) makeWords() {
	mt := &g.words
	for i := range mt {
		y := mt[i]&0x80000000 | mt[(i+1)%stateWords]&0x7fffffff
		mt[i] = mt[(i+397)%stateWords] ^ y>>1 ^ (y&1)*0x9908b0df
	}
	g.index = 0
}

func (g *generator) word() uint32 {
	if g.index == stateWords {
		g.makeWords()
	}
	y := g.words[g.index]
	g.index++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// random is a multiple of 2^-53 in [0, 1).
func (g *generator) random() float64 {
	a, b := g.word()>>5, g.word()>>6
	return float64(uint64(a)<<26|uint64(b)) / (1 << 53)
}

// gauss makes two normal numbers at a time (Box and Muller), and keeps the second for the next call.
func (g *generator) gauss(sigma float64) float64 {
	z := g.kept
	if g.hasKept {
		g.hasKept = false
	} else {
		angle := float64(g.random() * (2 * math.Pi))
		radius := math.Sqrt(-2 * g.math.log(1-g.random()))
		z = g.math.cos(angle) * radius
		g.kept, g.hasKept = g.math.sin(angle)*radius, true
	}
	return 0 + float64(z*sigma)
}

// below is a whole number from 0 to n-1, for n > 0.
func (g *generator) below(n int) int {
	shift := 32 - bits.Len(uint(n))
	for {
		if r := int(g.word() >> shift); r < n {
			return r
		}
	}
}

func shuffle[T any](g *generator, items []T) {
	for i := len(items) - 1; i > 0; i-- {
		j := g.below(i + 1)
		items[i], items[j] = items[j], items[i]
	}
}

var errWeights = errors.New("the weights of a choice must add up to a finite number above 0")

// choice is an index into the weights, each as likely as its weight says: a search among their running sums.
func (g *generator) choice(weights []float64) (int, error) {
	sums, total := g.sums[:0], 0.0
	for i, weight := range weights {
		if i == 0 {
			total = weight
		} else {
			total += weight
		}
		sums = append(sums, total)
	}
	g.sums = sums
	if !(total > 0 && total <= math.MaxFloat64) {
		return 0, errWeights
	}
	u := g.random() * total
	low, high := 0, len(sums)-1
	for low < high {
		if middle := (low + high) / 2; u < sums[middle] {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, nil
}
