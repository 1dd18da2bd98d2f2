package main

// Vectors of numbers with their gradients, and the operations on them that the model is made of, each forward and
// backward.
//
// Every gradient is a sum, and its bits depend on the order of the additions, which is that of the single numbers in
// SPEC.md, section 5. An operation here stands for many nodes of that graph. Inside it, the numbers that several
// nodes add to get their additions in the reverse of the depth-first order: mostly from the last element to the
// first. In which order operations follow each other is explained in model.go.
//
// A chain of nodes, ((x0 + 0) + x1) + ..., hands its gradient down unchanged, and so it needs no nodes here. (That 0
// is added to it changes no bits: a gradient starts at +0 and never becomes -0.)
//
// Go may fuse a product with a sum that it goes into, even if other statements lie between them. float64(x*y) forbids
// it.

// vector is a run of numbers and, side by side with it, their gradients.
type vector struct{ data, gradient []float64 }

func newVector(n int) vector {
	return vector{make([]float64, n), make([]float64, n)}
}

func (v vector) part(from, to int) vector {
	return vector{v.data[from:to], v.gradient[from:to]}
}

// partsOf are the same parts of several vectors.
func partsOf(vectors []vector, from, to int) []vector {
	parts := make([]vector, len(vectors))
	for i, v := range vectors {
		parts[i] = v.part(from, to)
	}
	return parts
}

// matrix is a vector in rows.
type matrix struct {
	vector
	rows, columns int
}

func (m matrix) row(i int) vector {
	return m.part(i*m.columns, (i+1)*m.columns)
}

// operation computes its result, and later adds to the gradients of what the result was made from.
type operation interface {
	forward()
	backward()
}

// ---------------------------------------------------------------- sums of products

func dot(a, b []float64) float64 {
	sum := 0.0
	b = b[:len(a)]
	for i, x := range a {
		sum += float64(x * b[i])
	}
	return sum
}

// fourDots has four sums in progress, because each addition must wait for the one before it.
func fourDots(x, a, b, c, d []float64, sums []float64) {
	a, b, c, d = a[:len(x)], b[:len(x)], c[:len(x)], d[:len(x)]
	var s, t, u, v float64
	for i, xi := range x {
		s += float64(a[i] * xi)
		t += float64(b[i] * xi)
		u += float64(c[i] * xi)
		v += float64(d[i] * xi)
	}
	sums[0], sums[1], sums[2], sums[3] = s, t, u, v
}

// dotBackward takes the gradient g of a dot product of a and b, which share no numbers.
func dotBackward(a, b vector, g float64) {
	n := len(a.data)
	x, y, dx, dy := a.data, b.data[:n], a.gradient[:n], b.gradient[:n]
	for i, xi := range x {
		dx[i] += float64(y[i] * g)
		dy[i] += float64(xi * g)
	}
}

// linear is the product of a matrix with x.
type linear struct {
	weights matrix
	x, out  vector
}

func (l *linear) forward() {
	x, w, out, n := l.x.data, l.weights.data, l.out.data, l.weights.columns
	for ; len(out) >= 4; w, out = w[4*n:], out[4:] {
		fourDots(x, w[:n], w[n:2*n], w[2*n:3*n], w[3*n:4*n], out)
	}
	for i := range out {
		out[i] = dot(w[i*n:(i+1)*n], x)
	}
}

func (l *linear) backward() {
	l.backwardRows(0, l.weights.rows)
}

func (l *linear) backwardRows(from, to int) {
	for i := to - 1; i >= from; i-- {
		dotBackward(l.weights.row(i), l.x, l.out.gradient[i])
	}
}

// logits is linear, but the depth-first order has the target's row before all others: see crossEntropy.
type logits struct {
	linear
	target *int
}

func (l *logits) backward() {
	l.backwardRows(*l.target+1, l.weights.rows)
	l.backwardRows(0, *l.target)
	l.backwardRows(*l.target, *l.target+1)
}

// projections are the queries, keys and values of one position. The depth-first order has one head after the other. A
// head's first score needs all its queries, its last the position's own keys, and the values come at the end. (Where
// the only score is the position's own, queries and keys take turns. But the softmax of one number is 1 whatever that
// is, and so they get no gradients.)
type projections struct {
	queries, keys, values linear
	heads                 int
}

func (p *projections) forward() {
	p.queries.forward()
	p.keys.forward()
	p.values.forward()
}

func (p *projections) backward() {
	size := p.queries.weights.rows / p.heads
	for to := p.heads * size; to > 0; to -= size {
		p.values.backwardRows(to-size, to)
		p.keys.backwardRows(to-size, to)
		p.queries.backwardRows(to-size, to)
	}
}

// ---------------------------------------------------------------- element by element

// addition has one result for each element of a and b.
type addition struct{ a, b, out vector }

func (s *addition) forward() {
	for i, a := range s.a.data {
		s.out.data[i] = a + s.b.data[i]
	}
}

func (s *addition) backward() {
	for i, g := range s.out.gradient {
		s.a.gradient[i] += g
		s.b.gradient[i] += g
	}
}

// embedding adds a token's row of one matrix to a position's row of another.
type embedding struct {
	tokens matrix
	token  *int
	place  vector
	out    vector
}

func (e *embedding) sum() *addition { return &addition{e.tokens.row(*e.token), e.place, e.out} }
func (e *embedding) forward()       { e.sum().forward() }
func (e *embedding) backward()      { e.sum().backward() }

// relu is +0 for NaN and -0, too.
func relu(x float64) float64 {
	if x > 0 {
		return x
	}
	return 0
}

// activation is relu, or its square.
type activation struct {
	x, out  vector
	squared bool
	math    *functions
}

func (a *activation) forward() {
	for i, x := range a.x.data {
		y := relu(x)
		if a.squared {
			y = a.math.pow(y, 2)
		}
		a.out.data[i] = y
	}
}

func (a *activation) backward() {
	for i, x := range a.x.data {
		g, local := a.out.gradient[i], 0.0
		if a.squared {
			g *= 2 * a.math.pow(relu(x), 1)
		}
		if x > 0 {
			local = 1
		}
		a.x.gradient[i] += float64(local * g)
	}
}

// rmsnorm is x over its root mean square (Zhang and Sennrich, 2019), without a gain.
type rmsnorm struct {
	x, out      vector
	math        *functions
	mean, scale float64 // of the squares, plus 1e-5; and its power -0.5
}

func (r *rmsnorm) perElement() float64 {
	return r.math.pow(float64(len(r.x.data)), -1)
}

func (r *rmsnorm) forward() {
	x := r.x.data
	r.mean = float64(dot(x, x)*r.perElement()) + 1e-5
	r.scale = r.math.pow(r.mean, -0.5)
	for i := range x {
		r.out.data[i] = float64(x[i] * r.scale)
	}
}

// backward has the products with the scale first, and then the squares that it is made of.
func (r *rmsnorm) backward() {
	x, dx, g := r.x.data, r.x.gradient, r.out.gradient
	gradient := 0.0 // of the scale, then of the sum of squares
	for i := len(x) - 1; i >= 0; i-- {
		dx[i] += float64(r.scale * g[i])
		gradient += float64(x[i] * g[i])
	}
	gradient *= -0.5 * r.math.pow(r.mean, -1.5)
	gradient *= r.perElement()
	for i := range x {
		product := float64(x[i] * gradient)
		dx[i] += product // both factors of x*x are the same number
		dx[i] += product
	}
}

// ---------------------------------------------------------------- softmax

// exponentials are e^(x - top), top being the greatest x, and their sum.
func exponentials(math *functions, x, out []float64) (total float64) {
	top := x[0]
	for _, xi := range x[1:] {
		if xi > top {
			top = xi
		}
	}
	for i, xi := range x {
		out[i] = math.exp(xi - top)
		total += out[i]
	}
	return total
}

// softmax divides the exponentials by their total, which is multiplying by its power -1. That power is a node of its
// own for each quotient, but the same number.
func softmax(math *functions, x, out []float64) {
	inverse := math.pow(exponentials(math, x, out), -1)
	for i := range out {
		out[i] = float64(out[i] * inverse)
	}
}

// attention is one head: scores of the query with each key, their softmax, and the mixture of the values with these
// weights.
type attention struct {
	query        vector
	keys, values []vector // one for each position attended to
	out          vector
	factor       float64 // of the scores: the head's size to the power 0.5, to the power -1
	math         *functions

	scores, exps, weights []float64
	gradients             []float64 // of the weights
	total, inverse        float64   // of the exps
}

func newAttention(math *functions, query vector, keys, values []vector, out vector) *attention {
	numbers := func() []float64 { return make([]float64, len(keys)) }
	return &attention{
		query:     query,
		keys:      keys,
		values:    values,
		out:       out,
		factor:    math.pow(math.pow(float64(len(query.data)), 0.5), -1),
		math:      math,
		scores:    numbers(),
		exps:      numbers(),
		weights:   numbers(),
		gradients: numbers(),
	}
}

func (a *attention) forward() {
	for s, key := range a.keys {
		a.scores[s] = float64(dot(a.query.data, key.data) * a.factor)
	}
	a.total = exponentials(a.math, a.scores, a.exps)
	a.inverse = a.math.pow(a.total, -1)
	out := a.out.data
	clear(out)
	for s, value := range a.values {
		weight := a.exps[s] * a.inverse
		a.weights[s] = weight
		for j, v := range value.data {
			out[j] += float64(weight * v)
		}
	}
}

func (a *attention) backward() {
	for s, value := range a.values {
		a.gradients[s] = mixBackward(value, a.weights[s], a.out.gradient)
	}
	gradient, local := 0.0, -1*a.math.pow(a.total, -2) // of the total
	for s := len(a.exps) - 1; s >= 0; s-- {
		gradient += float64(local * (a.exps[s] * a.gradients[s]))
	}
	for s := len(a.exps) - 1; s >= 0; s-- {
		g := float64(a.inverse*a.gradients[s]) + gradient
		g = a.exps[s] * g * a.factor
		dotBackward(a.query, a.keys[s], g)
	}
}

// mixBackward returns the gradient of the weight.
func mixBackward(value vector, weight float64, gradients []float64) float64 {
	gradient := 0.0
	for j := len(gradients) - 1; j >= 0; j-- {
		gradient += float64(value.data[j] * gradients[j])
		value.gradient[j] += float64(weight * gradients[j])
	}
	return gradient
}

// crossEntropy is -log(p) for the softmax's probability p of the target. No other probability is part of the graph;
// but the total is, and so all logits, the target's first.
type crossEntropy struct {
	logits vector
	target *int
	math   *functions
	exps   []float64

	total, inverse, probability, loss float64
}

func newCrossEntropy(math *functions, logits vector, target *int) crossEntropy {
	return crossEntropy{logits: logits, target: target, math: math, exps: make([]float64, len(logits.data))}
}

func (c *crossEntropy) forward() {
	c.total = exponentials(c.math, c.logits.data, c.exps)
	c.inverse = c.math.pow(c.total, -1)
	c.probability = c.exps[*c.target] * c.inverse
	c.loss = float64(c.math.log(c.probability) * -1)
}

// probabilities are those of all tokens.
func (c *crossEntropy) probabilities() []float64 {
	probabilities := make([]float64, len(c.exps))
	for i, e := range c.exps {
		probabilities[i] = e * c.inverse
	}
	return probabilities
}

// backward takes the gradient of the loss.
func (c *crossEntropy) backward(gradient float64) {
	g := 1 / c.probability * (-1 * gradient)
	total := float64(-1 * c.math.pow(c.total, -2) * (c.exps[*c.target] * g))
	for i, e := range c.exps {
		exp := total
		if i == *c.target {
			exp = float64(c.inverse*g) + total
		}
		c.logits.gradient[i] += float64(e * exp)
	}
}
