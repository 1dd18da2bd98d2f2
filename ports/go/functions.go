package main

import "math"

// functions are exp, log, sin, cos and pow of one kind: the exact ones of exact.go, or Go's own.
type functions struct {
	exp, log, sin, cos func(x float64) float64
	pow                func(x, y float64) float64
}

var (
	exactMath  = &functions{exactExp, exactLog, exactSin, exactCos, exactPow}
	nativeMath = &functions{math.Exp, math.Log, math.Sin, math.Cos, math.Pow}
)

// halfPower is pow(x, 0.5). A square root is one rounded operation, but for -0 the power is +0, and for -inf it is
// +inf.
func halfPower(x float64) float64 {
	if x == math.Inf(-1) {
		return math.Inf(1)
	}
	return math.Sqrt(x) + 0
}
