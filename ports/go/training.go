package main

// Training (SPEC.md, section 8): Adam (Kingma and Ba, 2015) with a learning rate that falls.

import "math"

type optimizer struct {
	learningRate, beta1, beta2, epsilon float64

	cosine bool // the schedule; else linear
	steps  int
}

// rate is the learning rate of a step, counted from 0.
func (o *optimizer) rate(step int, f *functions) float64 {
	s, n := float64(step), float64(o.steps)
	if o.cosine {
		return o.learningRate * 0.5 * (1 + f.cos(math.Pi*s/n))
	}
	return o.learningRate * (1 - s/n)
}

// corrections are what m and v are divided by, because they started at zero.
func (o *optimizer) corrections(step int, f *functions) (m, v float64) {
	t := float64(step + 1)
	return 1 - f.pow(o.beta1, t), 1 - f.pow(o.beta2, t)
}

// update changes the parameters p and their moments m and v by the gradients g. pow(g, 2) is g*g whatever the
// functions are, and pow(x, 0.5) a square root.
func (o *optimizer) update(step int, f *functions, p, g, m, v []float64) {
	rate := o.rate(step, f)
	correction1, correction2 := o.corrections(step, f)
	beta1, beta2, epsilon := o.beta1, o.beta2, o.epsilon
	rest1, rest2 := 1-beta1, 1-beta2
	p, m, v = p[:len(g)], m[:len(g)], v[:len(g)]
	for i, gi := range g {
		mi := float64(beta1*m[i]) + float64(rest1*gi)
		vi := float64(beta2*v[i]) + float64(rest2*(gi*gi))
		p[i] -= rate * (mi / correction1) / (halfPower(vi/correction2) + epsilon)
		m[i], v[i] = mi, vi
	}
}

// training is one in the middle: step is the next one, from 0.
type training struct {
	*model
	optimizer
	m, v []float64
	step int
}

func newTraining(model *model, o optimizer) *training {
	n := len(model.parameters.data)
	return &training{model: model, optimizer: o, m: make([]float64, n), v: make([]float64, n)}
}

// advance takes one step on one document. It returns the loss before the update, and leaves the gradients to be seen.
func (t *training) advance(tokens []int) (loss float64) {
	loss = t.loss(tokens)
	t.backward(tokens)
	t.update(t.step, t.math, t.parameters.data, t.parameters.gradient, t.m, t.v)
	t.step++
	return loss
}
