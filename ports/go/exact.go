package main

// Correctly rounded exp, log, sin, cos and pow. Each function first computes hi + lo, a little more precise than a
// double, with an error that is proved to be below some small e. If hi + (lo - e) and hi + (lo + e) round to the same
// double, that is the answer; about one time in twenty thousand they do not, and accurate.go decides. SPEC.md,
// section 15, says why this is right.
//
// Go may fuse x*y + z into one operation with one rounding, and does on some processors. A conversion, float64(x*y) +
// z, forbids it. math.FMA asks for it: x*y - p without any error, for a p near x*y, is FMA(x, y, -p).
//
// In the error budgets u is 2^-53, the greatest relative error of one rounded operation.

import "math"

// pair is the unevaluated sum hi + lo, |lo| being at most about an ulp of hi.
type pair struct{ hi, lo float64 }

// orderedSum is a + b exactly, for |a| >= |b| or a = 0 (Dekker, 1971).
func orderedSum(a, b float64) pair {
	sum := a + b
	return pair{sum, b - (sum - a)}
}

// exactSum is a + b exactly (Knuth).
func exactSum(a, b float64) pair {
	sum := a + b
	part := sum - a
	return pair{sum, (a - (sum - part)) + (b - part)}
}

// exactProduct is a*b exactly, unless the lower part underflows.
func exactProduct(a, b float64) pair {
	product := float64(a * b)
	return pair{product, math.FMA(a, b, -product)}
}

// times has a relative error below 8 u^2.
func (a pair) times(b pair) pair {
	product := exactProduct(a.hi, b.hi)
	return orderedSum(product.hi, product.lo+(float64(a.hi*b.lo)+float64(a.lo*b.hi)))
}

// reciprocal corrects the rounded quotient by Newton's method; the relative error is below 10 u^2.
func (a pair) reciprocal() pair {
	quotient := 1 / a.hi
	remainder := math.FMA(-quotient, a.hi, 1) - float64(quotient*a.lo)
	return orderedSum(quotient, float64(quotient*remainder))
}

// squareRoot corrects the rounded root by Newton's method; the relative error is below 2 u^2.
func squareRoot(x float64) pair {
	root := math.Sqrt(x)
	return orderedSum(root, math.FMA(-root, root, x)/(2*root))
}

// round is the rounding test: decided if all numbers within e of a round to the same double y.
func (a pair) round(e float64) (y float64, decided bool) {
	y = a.hi + (a.lo + e)
	return y, y == a.hi+(a.lo-e)
}

// roundScaled is the rounding test for a * 2^exponent, for a > 0. Where that is subnormal, 2^-1022 is added first,
// which puts the last place of the sum where the subnormal number has its own; the pattern of what exceeds 2^-1022 is
// the result's.
func (a pair) roundScaled(exponent int, e float64) (y float64, decided bool) {
	switch biased := int(math.Float64bits(a.hi)>>52) + exponent; {
	case biased > 2046:
		return math.Inf(1), true
	case biased < -60:
		return 0, true
	case biased < 1:
		least := math.Float64bits(1) - uint64(1022+exponent)<<52
		shifted := orderedSum(math.Float64frombits(least), a.hi)
		y, decided = pair{shifted.hi, shifted.lo + a.lo}.round(e + float64(shifted.hi*0x1p-105))
		return math.Float64frombits(math.Float64bits(y) - least), decided
	}
	y, decided = a.round(e)
	scaled := math.Float64frombits(math.Float64bits(y) + uint64(exponent)<<52)
	return scaled, decided && scaled >= 0x1p-1022
}

// ---------------------------------------------------------------- tables

const (
	expSteps    = 128                  // 2^(i/128)
	logSteps    = 256                  // log(k/256)
	logFirst    = 181                  // for k/256 from sqrt(1/2)
	logLast     = 362                  // to sqrt(2)
	circleSteps = 1024                 // sin(2 pi i/1024)
	perExpStep  = 0x1.71547652b82fep+7 // 128/ln2
	perRadian   = 0x1.45f306dc9c883p+7 // 1024/(2 pi)
)

var (
	expTable   = makeExpTable()
	logTable   = makeLogTable()
	sineTable  = makeSineTable()
	expStep    = parts(timesPowerOfTwo(ln2(tablePrecision), -7), 42)        // ln2/128
	logStep    = parts(ln2(tablePrecision), 42)                             // ln2
	circleStep = parts(timesPowerOfTwo(halfPi(tablePrecision), -8), 49, 91) // 2 pi/1024
)

// ---------------------------------------------------------------- exp

func exactExp(x float64) float64 {
	switch {
	case x != x:
		return x
	case math.Abs(x) < 0x1p-54:
		return 1
	case x > 710:
		return math.Inf(1) // log(2^1024) < 709.8
	case x < -746:
		return 0 // log(2^-1075) > -745.2
	}
	if y, decided := quickExp(x); decided {
		return y
	}
	return accurateExp(x)
}

// quickExp: e^x = 2^(k/128) e^r with k the integer nearest to 128 x/ln2, so |r| < 2^-8.5. r = d - w, where the
// difference d = x - k expStep[0] is exact and |w| < 2^-24.9. e^r = 1 + r + r^2/2 + beyond, beyond < 2^-28. Parts are
// added from the small end, exactly down to r^2/2.
//
// Error, in units of 2^-78: 1.6 in w; 0.6 for 5 roundings in beyond, 0.3 for its sums, 0.2 for rest * r^2/2, which is
// left out. The table's 2^(k/128) < 2 makes that 5.4. The last sums have 0.4, and power.lo * beyond, left out, 0.1.
// The test allows 8.
func quickExp(x float64) (y float64, decided bool) {
	k := math.RoundToEven(x * perExpStep)
	d, w := x-float64(k*expStep[0]), float64(k*expStep[1])
	r := d - w
	rest := (d - r) - w
	s := float64(r * r)
	fifth := (1.0/120 + float64(r*(1.0/720))) + float64(s*(1.0/5040))
	beyond := float64(r * s * ((1.0/6 + float64(r*(1.0/24))) + float64(s*fifth)))

	growth := orderedSum(r, float64(0.5*s))
	growth.lo += (float64(rest*(1+r)) + float64(0.5*math.FMA(r, r, -s))) + beyond

	steps := int(k)
	power := expTable[steps&(expSteps-1)]
	product := exactProduct(power.hi, growth.hi)
	sum := orderedSum(power.hi, product.hi)
	low := (product.lo + float64(power.hi*growth.lo)) + float64(power.lo*(1+growth.hi))
	return orderedSum(sum.hi, sum.lo+low).roundScaled(steps>>7, 0x1p-75)
}

// ---------------------------------------------------------------- log

func exactLog(x float64) float64 {
	switch {
	case x == 1:
		return 0
	case x == 0:
		return math.Inf(-1)
	case x < 0:
		return math.NaN()
	case !(x <= math.MaxFloat64):
		return x // infinity or NaN
	}
	m, e := mantissa(x)
	if m > math.Sqrt2 {
		m, e = m/2, e+1
	}
	if y, decided := quickLog(m, e); decided {
		return y
	}
	return accurateLog(x)
}

// mantissa is m with x = m * 2^e and 1 <= m < 2, for a finite x > 0.
func mantissa(x float64) (m float64, e int) {
	if x < 0x1p-1022 {
		x, e = x*0x1p54, -54
	}
	pattern := math.Float64bits(x)
	return math.Float64frombits(pattern&(1<<52-1) | 1023<<52), e + int(pattern>>52) - 1023
}

// quickLog: log(z 2^e) = e ln2 - log(k/256) + log(1 + r), r = z k/256 - 1, for sqrt(1/2) <= z <= sqrt(2). With k the
// integer nearest to 256/z, |r| <= z/512 <= 2^-8.5, and r is a multiple of 2^-8 times z's last place: a double, so
// that FMA makes no error. log(1 + r) = r - r^2/2 + tail. All but the tail is added exactly.
//
// Error: 7 roundings of the tail's size, |r|^3/3, and some of 2^-33 u and less. Where k is 256 and e is 0 the result
// is about r, and |r| < 2^-8.9: below 2^-69 of the result. The next smallest results are above 2^-9, with |r| <
// 2^-8.9: below 2^-69 of them, and so it goes on.
func quickLog(z float64, e int) (y float64, decided bool) {
	k := math.RoundToEven(logSteps / z)
	r := math.FMA(z, k*(1.0/logSteps), -1)
	s := float64(r * r)
	rest := math.FMA(r, r, -s)
	seventh := 1.0/7 - float64(r*(1.0/8))
	fifth := (1.0/5 - float64(r*(1.0/6))) + float64(s*seventh)
	tail := float64(r * s * ((1.0/3 - float64(r*(1.0/4))) + float64(s*fifth)))

	entry := logTable[int(k)-logFirst]
	sum := orderedSum(float64(float64(e)*logStep[0])+entry.hi, r)
	less := orderedSum(sum.hi, -float64(0.5*s))
	low := (float64(float64(e)*logStep[1]) + entry.lo) - float64(0.5*rest)
	log := orderedSum(less.hi, ((sum.lo+less.lo)+low)+tail)
	return log.round(float64(math.Abs(log.hi) * 0x1p-68))
}

// ---------------------------------------------------------------- sin and cos

// exactSin is NaN beyond |x| = 8.
func exactSin(x float64) float64 {
	if math.Abs(x) <= 0x1p-26 {
		return x // x^3/6 is less than a quarter of an ulp of x
	}
	return exactSine(x, 0)
}

// exactCos is NaN beyond |x| = 8.
func exactCos(x float64) float64 {
	if math.Abs(x) <= 0x1p-27 {
		return 1 // x^2/2 is less than a quarter of an ulp of 1
	}
	return exactSine(x, 1)
}

// exactSine is sin(x + quarters pi/2).
func exactSine(x float64, quarters int) float64 {
	if !(math.Abs(x) <= 8) {
		return math.NaN()
	}
	if y, decided := quickSine(x, quarters); decided {
		return y
	}
	return accurateSine(x, quarters)
}

// quickSine: x = k 2pi/1024 + r with |r| < 2^-8.34. With s and c the sine and cosine of k 2pi/1024, shifted by the
// quarters, the result is s + c r - s r^2/2 + tail, tail = c (sin r - r) + s (cos r - 1 + r^2/2), below r^3/6 +
// r^4/24. x - k circleStep[0] is exact, and r a pair good to 2^-130. All but the tail is added exactly.
//
// Error: 10 roundings of the tail's size, 10 u 2^-27.6. Where s is not 0 the result is at least 2^-8.35: below
// 2^-68.9 of it. Where s is 0 the result is about r: below 10 u r^2/6 of it, 2^-68.9.
func quickSine(x float64, quarters int) (y float64, decided bool) {
	k := math.RoundToEven(x * perRadian)
	r := exactSum(x-float64(k*circleStep[0]), -float64(k*circleStep[1]))
	r.lo -= float64(k * circleStep[2])
	i := int(k) + quarters*(circleSteps/4)
	s, c := sineTable[i&(circleSteps-1)], sineTable[(i+circleSteps/4)&(circleSteps-1)]

	square := float64(r.hi * r.hi)
	half := -0.5 * square
	rest := float64(-0.5*math.FMA(r.hi, r.hi, -square)) - float64(r.hi*r.lo)
	third := float64(r.hi * square * (float64(square*(1.0/120-float64(square*(1.0/5040)))) - 1.0/6))
	fourth := float64(square * square * (1.0/24 - float64(square*(1.0/720))))

	first, second := exactProduct(c.hi, r.hi), exactProduct(s.hi, half)
	sum := orderedSum(s.hi, first.hi)
	less := orderedSum(sum.hi, second.hi)
	low := (first.lo + second.lo) + (s.lo + (float64(c.lo*r.hi) + float64(s.lo*half)))
	low += float64(c.hi*r.lo) + float64(s.hi*rest)
	tail := float64(c.hi*third) + float64(s.hi*fourth)
	sine := orderedSum(less.hi, ((sum.lo+less.lo)+low)+tail)
	return sine.round(float64(math.Abs(sine.hi) * 0x1p-68))
}

// ---------------------------------------------------------------- pow

// exactPow is x^y for an integer or half-integer y of at most 4096.
func exactPow(x, y float64) float64 {
	switch {
	case y == 2:
		return float64(x * x)
	case y == -1:
		return 1 / x
	case y == 0:
		return 1
	case !(x > 0 && x <= math.MaxFloat64):
		return unusualPow(x, y)
	case y == 0.5:
		return math.Sqrt(x)
	case y == 1 || x == 1:
		return x
	}
	return positivePow(x, int(2*y))
}

// positivePow is x^(twice/2) for a finite x > 0.
func positivePow(x float64, twice int) float64 {
	if y, decided := quickPow(x, twice); decided {
		return y
	}
	return accuratePow(x, twice)
}

// unusualPow is x^y for y other than 0, and x negative, zero, infinite or NaN.
func unusualPow(x, y float64) float64 {
	integer := math.Floor(y) == y
	odd := integer && math.Mod(y, 2) != 0
	var size float64
	switch {
	case x != x:
		return x
	case x == 0 && y < 0, math.IsInf(x, 0) && y > 0:
		size = math.Inf(1)
	case x == 0, math.IsInf(x, 0):
		size = 0
	case !integer:
		return math.NaN()
	default:
		size = positivePow(-x, int(2*y))
	}
	if odd {
		return math.Copysign(size, x)
	}
	return size
}

// quickPow: x = z 2^e with an even e and 1/2 <= z < 2. z^(twice/2) by squaring and multiplying pairs. While n |log2
// z| < 900 nothing over- or underflows on the way.
//
// Error: a product adds 8 u^2 to the errors of its factors, n of them 8 n u^2; the root and the reciprocal have 12
// u^2. The test allows twice as much: (n + 4) 2^-102.
func quickPow(x float64, twice int) (y float64, decided bool) {
	z, e := mantissa(x)
	if e&1 == 1 {
		z, e = z/2, e+1
	}
	n := magnitude(twice) / 2
	if float64(n)*(2*math.Abs(z-1)) > 900 { // |log2 z| <= 2 |z - 1|
		return 0, false
	}
	power := pair{1, 0}
	if twice&1 == 1 {
		power = squareRoot(z)
	}
	square := pair{z, 0}
	for left := n; left > 0; left >>= 1 {
		if left&1 == 1 {
			power = power.times(square)
		}
		if left > 1 {
			square = square.times(square)
		}
	}
	if twice < 0 {
		power = power.reciprocal()
	}
	return power.roundScaled(e/2*twice, float64(power.hi*float64(n+4)*0x1p-102))
}
