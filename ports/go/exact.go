package main

// Correctly rounded exp, log, sin, cos and pow (reference/EXACT.md). The quick phase, in pairs of doubles, decides unless
// its error could matter; the accurate phase, in big.Float, then always does. Go may fuse x*y + z into one rounding:
// the conversion float64(x*y) forbids it.

import (
	"math"
	"math/big"
)

type functions struct {
	exp, log, sin, cos func(x float64) float64
	pow                func(x, y float64) float64
}

var (
	exactMath  = &functions{exp, log, sin, cos, pow}
	nativeMath = &functions{math.Exp, math.Log, math.Sin, math.Cos, math.Pow}
)

func exp(x float64) float64 {
	if x != x {
		return x
	}
	x = max(-746, min(x, 710)) // beyond, it is 0 and infinity all the same
	y, k := quickExp(pair{x, 0})
	return round(y, k, 0x1p-68, func(precision uint) *big.Float { return bigExp(x, precision) })
}

func log(x float64) float64 {
	if !(x > 0 && x <= math.MaxFloat64) {
		return math.Log(x)
	}
	return round(quickLog(x), 0, 0x1p-68, func(precision uint) *big.Float { return bigLog(x, precision) })
}

// sin and cos are NaN beyond |x| = 8.
func sin(x float64) float64 {
	if x == 0 {
		return x
	}
	return sine(x, 0)
}

func cos(x float64) float64 { return sine(x, 1) }

// sine is sin(x + quarters pi/2), which is sin(r) or -sin(r) for an r within pi/2 of 0.
func sine(x, quarters float64) float64 {
	if !(math.Abs(x) <= 8) {
		return math.NaN()
	}
	halfTurns := math.RoundToEven(x/math.Pi + quarters/2)
	q := 2*halfTurns - quarters
	sign := 1 - 2*math.Abs(math.Mod(halfTurns, 2))
	y := quickSine(reduce(pair{x, 0}, q, halfPiParts))
	return sign * round(y, 0, math.Abs(y.hi*0x1p-68), func(precision uint) *big.Float {
		r := bigReduce(x, q, bigHalfPi, precision)
		minusSquare := new(big.Float).Mul(r, new(big.Float).Neg(r))
		return series(r, minusSquare, func(n int64) (p, q int64) { return 1, 2 * n * (2*n + 1) })
	})
}

// pow takes an integer or half-integer y of at most 4096.
func pow(x, y float64) float64 {
	switch integer := math.Floor(y) == y; {
	case y == 2:
		return float64(x * x)
	case y == -1:
		return 1 / x
	case x == 0 || x != x || math.IsInf(x, 0) || y == 0 || y == 0.5 || y == 1 || x < 0 && !integer:
		return math.Pow(x, y) // nothing to round but a square root
	case x < 0 && math.Mod(y, 2) != 0:
		return -pow(-x, y)
	}
	x = math.Abs(x)
	power, k := quickExp(quickLog(x).times(pair{y, 0}))
	return round(power, k, (1+math.Abs(y))*0x1p-68, func(precision uint) *big.Float { return bigPow(x, y, precision) })
}

// pair is the unevaluated sum hi + lo, where lo is at most about an ulp of hi.
type pair struct{ hi, lo float64 }

// exactSum is a + b without error (Knuth).
func exactSum(a, b float64) pair {
	s := a + b
	t := s - a
	return pair{s, (a - (s - t)) + (b - t)}
}

func (a pair) plus(b pair) pair {
	s := exactSum(a.hi, b.hi)
	return exactSum(s.hi, s.lo+(a.lo+b.lo))
}

func (a pair) times(b pair) pair {
	p := float64(a.hi * b.hi)
	return exactSum(p, math.FMA(a.hi, b.hi, -p)+(float64(a.hi*b.lo)+float64(a.lo*b.hi)))
}

// Constants in parts: an integer of eleven bits times the first or the second has no error.
var (
	ln2Parts    = [3]float64{0x1.62e42fefa38p-1, 0x1.ef35793c76p-45, 0x1.cc01f97b57a08p-87}
	halfPiParts = [3]float64{0x1.921fb54442dp+0, 0x1.8469898cc514p-48, 0x1.80dc1cd129025p-95}
)

// reduce is x - q * period.
func reduce(x pair, q float64, period [3]float64) pair {
	r := exactSum(x.hi, -float64(q*period[0])).plus(pair{-float64(q * period[1]), -float64(q * period[2])})
	return r.plus(pair{x.lo, 0})
}

// quickExp is e^x = y * 2^k. With r = (x - k ln 2)/2^7, below 2^-8.5, y is the seventh square of e^r, which is 1 + r +
// r^2/2 and a tail below 2^-28, for which a plain double does: so the error of y is below 2^-70.
func quickExp(x pair) (y pair, k int) {
	turns := math.RoundToEven(x.hi / math.Ln2)
	r := reduce(x, turns, ln2Parts).times(pair{0x1p-7, 0})
	square := r.times(r)
	late := 1.0/24 + float64(r.hi*(1.0/120+float64(r.hi*(1.0/720+float64(r.hi*(1.0/5040))))))
	tail := float64(r.hi * square.hi * (1.0/6 + float64(r.hi*late)))
	y = pair{1, 0}.plus(r.plus(square.times(pair{0.5, 0}).plus(pair{tail, 0})))
	for range 7 {
		y = y.times(y)
	}
	return y, int(turns)
}

// estimateLog is good to 2^-42. The library's own logarithm is not, of subnormal numbers on some processors.
func estimateLog(x float64) float64 {
	fraction, exponent := math.Frexp(x)
	return math.Log(fraction) + float64(float64(exponent)*math.Ln2)
}

// quickLog adds to the estimate y what it lacks: log x = y + log(x e^-y).
func quickLog(x float64) pair {
	estimate := estimateLog(x)
	fraction, exponent := math.Frexp(x)
	power, k := quickExp(pair{-estimate, 0})
	power = power.times(pair{math.Ldexp(fraction, exponent+k), 0})
	t := (power.hi - 1) + power.lo
	return exactSum(estimate, t-float64(0.5*t*t))
}

// quickSine is Taylor's series.
func quickSine(r pair) pair {
	sum, term, square := r, r, r.times(r)
	for n := 2.0; n < 30; n += 2 {
		d := -n * (n + 1)
		term = term.times(square).times(pair{1 / d, math.FMA(-1/d, d, 1) / d})
		sum = sum.plus(term)
	}
	return sum
}

// round is y * 2^k if all numbers within e of y round alike and the result is no subnormal one. Else the accurate
// phase decides, with more and more digits (Ziv). Its error is below 2^(guardBits - precision) of the result. If that
// matters to the last, the result is a power of 54 bits in the middle between two doubles, and no operation rounded.
func round(y pair, k int, e float64, accurate func(precision uint) *big.Float) float64 {
	if nearest := y.hi + (y.lo + e); nearest == y.hi+(y.lo-e) && -1000 < k && k < 1000 {
		return math.Ldexp(nearest, k)
	}
	for precision := uint(192); ; precision *= 2 {
		y := accurate(precision)
		margin := new(big.Float).SetMantExp(y, guardBits-int(precision))
		low, _ := new(big.Float).Sub(y, margin).Float64()
		high, _ := new(big.Float).Add(y, margin).Float64()
		if nearest, _ := y.Float64(); low == high || precision == lastPrecision {
			return nearest
		}
	}
}

const (
	guardBits     = 64
	lastPrecision = 768
)

var (
	bigLn2    = twiceArtanh(new(big.Float).Quo(newFloat(1, lastPrecision+guardBits), big.NewFloat(3)))
	bigHalfPi = series(newFloat(1, lastPrecision+guardBits), big.NewFloat(1), // Euler's 1 + 1/3 + (1*2)/(3*5) + ...
		func(n int64) (p, q int64) { return n, 2*n + 1 })
)

func newFloat(x float64, precision uint) *big.Float {
	return new(big.Float).SetPrec(precision).SetFloat64(x)
}

// series adds up terms, each being the one before times factor times p/q of its number.
func series(first, factor *big.Float, ratio func(n int64) (p, q int64)) *big.Float {
	sum, term, integer := new(big.Float).Set(first), new(big.Float).Set(first), new(big.Float)
	for n := int64(1); ; n++ {
		p, q := ratio(n)
		term.Mul(term.Mul(term, factor), integer.SetInt64(p))
		term.Quo(term, integer.SetInt64(q))
		if term.Sign() == 0 || term.MantExp(nil) < sum.MantExp(nil)-int(sum.Prec()) {
			return sum
		}
		sum.Add(sum, term)
	}
}

// twiceArtanh is log((1 + s)/(1 - s)) = 2s + 2s^3/3 + 2s^5/5 + ...
func twiceArtanh(s *big.Float) *big.Float {
	sum := series(s, new(big.Float).Mul(s, s), func(n int64) (p, q int64) { return 2*n - 1, 2*n + 1 })
	return sum.SetMantExp(sum, 1)
}

func bigReduce(x, q float64, period *big.Float, precision uint) *big.Float {
	r := new(big.Float).Mul(period, big.NewFloat(-q))
	return r.Add(r, big.NewFloat(x)).SetPrec(precision)
}

func bigExp(x float64, precision uint) *big.Float {
	k := math.RoundToEven(x / math.Ln2)
	r := bigReduce(x, k, bigLn2, precision)
	y := series(newFloat(1, precision), r, func(n int64) (p, q int64) { return 1, n })
	return y.SetMantExp(y, int(k))
}

func bigLog(x float64, precision uint) *big.Float {
	estimate, one := estimateLog(x), newFloat(1, precision)
	y := bigExp(-estimate, precision)
	y.Mul(y, big.NewFloat(x))
	s := new(big.Float).Quo(new(big.Float).Sub(y, one), new(big.Float).Add(y, one))
	return s.Add(twiceArtanh(s), big.NewFloat(estimate))
}

// bigPow multiplies by squaring. Only the square root and the quotient may have to round a short power.
func bigPow(x, y float64, precision uint) *big.Float {
	power, square := newFloat(1, precision), newFloat(x, precision)
	if math.Floor(y) != y {
		power.Sqrt(square)
	}
	for n := int(math.Abs(y)); n > 0; n >>= 1 {
		if n&1 == 1 {
			power.Mul(power, square)
		}
		square.Mul(square, square)
	}
	if y < 0 {
		power.Quo(newFloat(1, precision), power)
	}
	return power
}
