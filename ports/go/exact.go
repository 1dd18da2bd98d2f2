package main

// Correctly rounded exp, log, sin, cos and pow (reference/EXACT.md). For what a step of training needs there is a quick
// phase, in pairs of doubles, which decides unless its error could matter; the accurate phase, in big.Float, then
// always does. Go may fuse x*y + z into one rounding: the conversion float64(x*y) forbids it.

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

func sin(x float64) float64 { return sine(x, 0) }
func cos(x float64) float64 { return sine(x, 1) }

func exp(x float64) float64 {
	if x != x {
		return x
	}
	x = max(-746, min(x, 710)) // beyond, it is 0 and infinity all the same
	y, k := quickExp(pair{x, 0})
	return round(y, k, 0x1p-68, func() *big.Float { return bigExp(newFloat(x)) })
}

func log(x float64) float64 {
	if !(x > 0 && x <= math.MaxFloat64) {
		return math.Log(x)
	}
	return round(quickLog(x), 0, 0x1p-68, func() *big.Float { return bigLog(x) })
}

// sine is sin(x + quarters pi/2) for |x| <= 8, which is sin(r) or -sin(r) for an r within pi/2 of 0.
func sine(x, quarters float64) float64 {
	if x != x || x == 0 && quarters == 0 {
		return x // for sin(0), with its sign
	}
	halfTurns := math.RoundToEven(x/math.Pi + quarters/2)
	r := newFloat(quarters - 2*halfTurns)
	r.Add(r.Mul(r, bigHalfPi), newFloat(x))
	minusSquare := new(big.Float).Mul(r, new(big.Float).Neg(r))
	y, _ := series(r, minusSquare, func(n int64) (p, q int64) { return 1, 2 * n * (2*n + 1) }).Float64()
	return y * (1 - 2*math.Abs(math.Mod(halfTurns, 2)))
}

// pow takes an integer or half-integer y of at most 4097.
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
	return round(power, k, (1+math.Abs(y))*0x1p-68, func() *big.Float {
		logarithm := bigLog(x)
		return bigExp(logarithm.Mul(logarithm, newFloat(y)))
	})
}

// round is y * 2^k if all numbers within e of y round alike and the result is no subnormal one. Else the accurate
// phase decides. What it cannot tell from a short number is one, as powers may be.
func round(y pair, k int, e float64, accurate func() *big.Float) float64 {
	nearest := y.hi + (y.lo + e)
	if nearest == y.hi+(y.lo-e) && -1000 < k && k < 1000 {
		return math.Ldexp(nearest, k)
	}
	nearest, _ = accurate().SetPrec(precision - 64).Float64()
	return nearest
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

// quickExp is e^x = y * 2^k. With r = (x - k ln 2)/2^7, below 2^-8.5, y is the seventh square of e^r, which is 1 + r +
// r^2/2 and a tail below 2^-28, for which a plain double does: so the error of y is below 2^-70. ln 2 comes in parts:
// an integer of eleven bits times the first or the second has no error.
func quickExp(x pair) (y pair, k int) {
	turns := math.RoundToEven(x.hi / math.Ln2)
	r := exactSum(x.hi, -float64(turns*0x1.62e42fefa38p-1)).plus(pair{x.lo, 0})
	r = r.plus(pair{-float64(turns * 0x1.ef35793c76p-45), -float64(turns * 0x1.cc01f97b57a08p-87)}).times(pair{0x1p-7, 0})
	square := r.times(r)
	late := 1.0/24 + float64(r.hi*(1.0/120+float64(r.hi*(1.0/720+float64(r.hi*(1.0/5040))))))
	tail := float64(r.hi * square.hi * (1.0/6 + float64(r.hi*late)))
	y = pair{1, 0}.plus(r.plus(square.times(pair{0.5, 0}).plus(pair{tail, 0})))
	for range 7 {
		y = y.times(y)
	}
	return y, int(turns)
}

// quickLog adds to an estimate y what it lacks: log x = y + log(x e^-y). The library's logarithm of a subnormal number
// would be no estimate on some processors.
func quickLog(x float64) pair {
	fraction, exponent := math.Frexp(x)
	estimate := math.Log(fraction) + float64(float64(exponent)*math.Ln2)
	power, k := quickExp(pair{-estimate, 0})
	power = power.times(pair{math.Ldexp(fraction, exponent+k), 0})
	t := (power.hi - 1) + power.lo
	return exactSum(estimate, t-float64(0.5*t*t))
}

const precision = 320 // bits, of which the last 64 may be wrong

var (
	bigLn2    = series(newFloat(0.5), newFloat(0.5), func(n int64) (p, q int64) { return n, n + 1 })
	bigHalfPi = series(newFloat(1), newFloat(1), // Euler's 1 + 1/3 + (1*2)/(3*5) + ...
		func(n int64) (p, q int64) { return n, 2*n + 1 })
)

func newFloat(x float64) *big.Float { return new(big.Float).SetPrec(precision).SetFloat64(x) }

// series adds up terms, each being the one before times factor times p/q of its number.
func series(first, factor *big.Float, ratio func(n int64) (p, q int64)) *big.Float {
	sum, term, integer := new(big.Float).Set(first), new(big.Float).Set(first), new(big.Float)
	for n := int64(1); term.Sign() != 0 && term.MantExp(nil) > sum.MantExp(nil)-precision; n++ {
		p, q := ratio(n)
		term.Mul(term.Mul(term, factor), integer.SetInt64(p))
		term.Quo(term, integer.SetInt64(q))
		sum.Add(sum, term)
	}
	return sum
}

func bigExp(x *big.Float) *big.Float {
	estimate, _ := x.Float64()
	k := math.RoundToEven(estimate / math.Ln2)
	r := newFloat(-k)
	r.Add(r.Mul(r, bigLn2), x)
	y := series(newFloat(1), r, func(n int64) (p, q int64) { return 1, n })
	return y.SetMantExp(y, int(k))
}

// bigLog is y + log(1 - s) for x = e^y (1 - s).
func bigLog(x float64) *big.Float {
	y := newFloat(quickLog(x).hi)
	s := bigExp(new(big.Float).Neg(y))
	s.Sub(newFloat(1), s.Mul(s, newFloat(x)))
	return y.Sub(y, series(s, s, func(n int64) (p, q int64) { return n, n + 1 }))
}
