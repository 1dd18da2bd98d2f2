package main

// The accurate phase of the exact functions, in math/big, and the tables of the quick phase. Why two phases make a
// correctly rounded function stands in SPEC.md, section 15. The quick phase is in exact.go.
//
// Precision. Every function here is asked for a relative error below 2^-precision and works with guardBits more. What
// it loses of those is far less: n multiplications in a row lose log2(n) bits, a difference of nearly equal numbers
// as many as they have in common, and a series of n terms log2(n).

import (
	"math"
	"math/big"
	"math/bits"
)

const (
	firstPrecision = 192 // the hardest arguments known need 115
	guardBits      = 64
	tablePrecision = 192 // for tables whose entries have 106 bits
)

// settle raises the precision until all numbers within the error of y round to the same double (Ziv, 1991). That
// comes to an end unless the true value lies in the middle between two doubles; y is exact then.
func settle(approximate func(precision uint) (y *big.Float, exact bool)) float64 {
	for precision := uint(firstPrecision); ; precision *= 2 {
		y, exact := approximate(precision)
		if exact {
			return nearest(y)
		}
		margin := timesPowerOfTwo(y, -int(precision))
		low, high := nearest(new(big.Float).Sub(y, margin)), nearest(new(big.Float).Add(y, margin))
		if low == high {
			return low
		}
	}
}

// nearest rounds to nearest, ties to even, and once only, to a subnormal number too.
func nearest(y *big.Float) float64 {
	x, _ := y.Float64()
	return x
}

func float(x float64, precision uint) *big.Float {
	return new(big.Float).SetPrec(precision).SetFloat64(x)
}

func timesPowerOfTwo(x *big.Float, exponent int) *big.Float {
	return new(big.Float).SetMantExp(x, exponent)
}

// ---------------------------------------------------------------- series and constants

// negligible tells whether adding the term to the sum changes nothing.
func negligible(term, sum *big.Float) bool {
	return term.Sign() == 0 || term.MantExp(nil) < sum.MantExp(nil)-int(sum.Prec())-1
}

// taylor sums the terms t_0 = first, t_n = t_(n-1) * factor / divisor(n).
func taylor(first, factor *big.Float, divisor func(n int) int) *big.Float {
	sum, term, d := new(big.Float).Set(first), new(big.Float).Set(first), new(big.Float)
	for n := 1; ; n++ {
		term.Mul(term, factor)
		term.Quo(term, d.SetInt64(int64(divisor(n))))
		if negligible(term, sum) {
			return sum
		}
		sum.Add(sum, term)
	}
}

// oddSeries is s + sign s^3/3 + s^5/5 + sign s^7/7 + ...: artanh(s) for the sign 1, arctan(s) for -1.
func oddSeries(s *big.Float, sign float64) *big.Float {
	sum, power, term, d := new(big.Float).Set(s), new(big.Float).Set(s), new(big.Float), new(big.Float)
	factor := new(big.Float).Mul(s, s)
	factor.Mul(factor, big.NewFloat(sign))
	for n := 3; ; n += 2 {
		power.Mul(power, factor)
		term.Quo(power, d.SetInt64(int64(n)))
		if negligible(term, sum) {
			return sum
		}
		sum.Add(sum, term)
	}
}

func inverse(n float64, precision uint) *big.Float {
	return new(big.Float).Quo(float(1, precision), float(n, precision))
}

// ln2 is 2 artanh(1/3).
func ln2(precision uint) *big.Float {
	return timesPowerOfTwo(oddSeries(inverse(3, precision), 1), 1)
}

// halfPi is 8 arctan(1/5) - 2 arctan(1/239) (Machin, 1706).
func halfPi(precision uint) *big.Float {
	a, b := oddSeries(inverse(5, precision), -1), oddSeries(inverse(239, precision), -1)
	return a.Sub(timesPowerOfTwo(a, 3), timesPowerOfTwo(b, 1))
}

// reduce returns x - q * period for the integer q that makes this smallest.
func reduce(x float64, period *big.Float) (rest *big.Float, q int) {
	precision := period.Prec()
	p, _ := period.Float64()
	turns := math.RoundToEven(x / p)
	rest = new(big.Float).Mul(float(turns, precision), period)
	return rest.Sub(float(x, precision), rest), int(turns)
}

// ---------------------------------------------------------------- the functions

// bigExp is e^x for |x| < 1: the series for x/2^8, squared eight times.
func bigExp(x *big.Float) *big.Float {
	const halvings = 8
	y := taylor(float(1, x.Prec()), timesPowerOfTwo(x, -halvings), func(n int) int { return n })
	for range halvings {
		y.Mul(y, y)
	}
	return y
}

func bigSin(x *big.Float) *big.Float {
	square := new(big.Float).Mul(x, x)
	return taylor(x, square.Neg(square), func(n int) int { return 2 * n * (2*n + 1) })
}

func bigCos(x *big.Float) *big.Float {
	square := new(big.Float).Mul(x, x)
	return taylor(float(1, x.Prec()), square.Neg(square), func(n int) int { return (2*n - 1) * 2 * n })
}

func accurateExp(x float64) float64 {
	return settle(func(precision uint) (*big.Float, bool) {
		r, k := reduce(x, ln2(precision+guardBits))
		return timesPowerOfTwo(bigExp(r), k), false
	})
}

// accurateLog takes an estimate from the library, good or bad, and adds what it lacks: the logarithm of x
// e^-estimate, which is close to 1.
func accurateLog(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	estimate := math.Log(m)
	return settle(func(precision uint) (*big.Float, bool) {
		precision += guardBits
		q := bigExp(float(-estimate, precision))
		q.Mul(q, float(m, precision))
		one := float(1, precision)
		s := new(big.Float).Quo(new(big.Float).Sub(q, one), new(big.Float).Add(q, one))
		y := float(estimate, precision)
		if s.Sign() != 0 {
			y.Add(y, timesPowerOfTwo(oddSeries(s, 1), 1))
		}
		return y.Add(y, new(big.Float).Mul(float(float64(e), precision), ln2(precision))), false
	})
}

// accurateSine is sin(x + quarters pi/2). A double near a multiple of pi/2 has up to 62 bits in common with it, which
// the reduction loses.
func accurateSine(x float64, quarters int) float64 {
	return settle(func(precision uint) (*big.Float, bool) {
		r, q := reduce(x, halfPi(precision+2*guardBits))
		q += quarters
		y := bigSin
		if q&1 == 1 {
			y = bigCos
		}
		if q&2 == 2 {
			return new(big.Float).Neg(y(r)), false
		}
		return y(r), false
	})
}

// accuratePow is x^(twice/2) for a finite x > 0. If the true value is a double or in the middle between two, it has
// at most 54 bits, and its square 108, so no step here has to cut anything off: the result is known to be exact.
func accuratePow(x float64, twice int) float64 {
	return settle(func(precision uint) (*big.Float, bool) {
		precision += guardBits
		n, half := magnitude(twice), twice%2 != 0
		if !half {
			n /= 2
		}
		y, exact := integerPower(float(x, precision), n)
		if half {
			square := y
			y = new(big.Float).Sqrt(square)
			back := new(big.Float).Mul(y, y)
			exact = exact && back.Acc() == big.Exact && back.Cmp(square) == 0
		}
		if twice < 0 {
			y.Quo(float(1, precision), y)
			exact = exact && y.Acc() == big.Exact
		}
		return y, exact
	})
}

// integerPower multiplies by squaring, from the top bit of n down.
func integerPower(x *big.Float, n int) (y *big.Float, exact bool) {
	y, exact = float(1, x.Prec()), true
	for bit := bits.Len(uint(n)) - 1; bit >= 0; bit-- {
		y.Mul(y, y)
		exact = exact && y.Acc() == big.Exact
		if n>>bit&1 == 1 {
			y.Mul(y, x)
			exact = exact && y.Acc() == big.Exact
		}
	}
	return y, exact
}

func magnitude(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// ---------------------------------------------------------------- tables for the quick phase

// pairOf is x to 106 bits.
func pairOf(x *big.Float) pair {
	hi := nearest(x)
	return pair{hi, nearest(new(big.Float).Sub(x, float(hi, x.Prec())))}
}

// parts cuts x into doubles: each is what is left of x, cut down to a multiple of 2^-places, and the last is the
// rest.
func parts(x *big.Float, places ...int) []float64 {
	var result []float64
	for _, p := range places {
		whole, _ := timesPowerOfTwo(x, p).Int(nil)
		part := timesPowerOfTwo(new(big.Float).SetInt(whole), -p)
		result = append(result, nearest(part))
		x = new(big.Float).SetPrec(x.Prec()).Sub(x, part)
	}
	return append(result, nearest(x))
}

// makeExpTable has 2^(i/expSteps) at index i.
func makeExpTable() (table [expSteps]pair) {
	step := new(big.Float).Quo(ln2(tablePrecision), big.NewFloat(expSteps))
	y, factor := float(1, tablePrecision), bigExp(step)
	for i := range table {
		table[i] = pairOf(y)
		y.Mul(y, factor)
	}
	return table
}

// makeLogTable has -log(k/logSteps) at index k - logFirst: a multiple of 2^-42, and the rest. Neighbours differ by
// log((k+1)/k) = 2 artanh(1/(2k+1)).
func makeLogTable() (table [logLast - logFirst + 1]pair) {
	ratio := func(k int) *big.Float {
		return timesPowerOfTwo(oddSeries(inverse(float64(2*k+1), tablePrecision), 1), 1)
	}
	enter := func(k int, y *big.Float) {
		cut := parts(y, 42)
		table[k-logFirst] = pair{cut[0], cut[1]}
	}
	y := float(0, tablePrecision)
	for k := logSteps - 1; k >= logFirst; k-- {
		enter(k, y.Add(y, ratio(k)))
	}
	y = float(0, tablePrecision)
	for k := logSteps + 1; k <= logLast; k++ {
		enter(k, y.Sub(y, ratio(k-1)))
	}
	return table
}

// makeSineTable has sin(2 pi i/circleSteps) at index i. It walks through a quarter of the circle by the addition
// theorem.
func makeSineTable() (table [circleSteps]pair) {
	const quarter = circleSteps / 4
	angle := new(big.Float).Quo(halfPi(tablePrecision), big.NewFloat(quarter))
	stepSin, stepCos := bigSin(angle), bigCos(angle)
	sin, cos := float(0, tablePrecision), float(1, tablePrecision)
	product := func(a, b *big.Float) *big.Float { return new(big.Float).Mul(a, b) }
	for i := range quarter {
		y := pairOf(sin)
		minus := pair{-y.hi, -y.lo}
		table[i], table[2*quarter-i] = y, y
		table[2*quarter+i], table[(4*quarter-i)%circleSteps] = minus, minus
		sin, cos = new(big.Float).Add(product(sin, stepCos), product(cos, stepSin)),
			new(big.Float).Sub(product(cos, stepCos), product(sin, stepSin))
	}
	table[0], table[2*quarter] = pair{}, pair{}
	table[quarter], table[3*quarter] = pair{1, 0}, pair{-1, 0}
	return table
}
