package main

// The model of SPEC.md, sections 6, 7 and 9: which operations of layers.go follow each other, and what comes out of
// them.
//
// Positions. A document of n tokens goes through the first n positions of the model, and what happens at a position
// does not depend on the document but for the token and the target. So a position is made once, when a document first
// reaches it, and used again for all others: training makes no garbage.
//
// The order of the gradients. SPEC.md, section 5, adds gradients up in the reverse of the depth-first post-order from
// the loss. Here operations go backward in the reverse of the order below, one position after the other. That gives
// the same bits, because it keeps the order of the additions to each number's gradient, which is that of the number's
// consumers:
//
//   - Parameters, keys and values have one consumer at each position. The loss is the sum of the positions' losses, so
//     the walk finishes all of position 0, then all of position 1, ...: keys and values too, since every position
//     attends to itself.
//   - What goes into a block has two consumers at its position: the block's rmsnorm, and the residual sum. That sum has
//     the block's output on the left, which needs all of the rmsnorm: so the walk finishes the rmsnorm first.
//   - Everything else is consumed by one operation, and the order inside is explained there.
//
// microgpt_test.go compares the gradients with those of the graph of single numbers.

import "fmt"

type config struct {
	layers, heads, embedding, block, vocabulary int

	squaredRelu bool
	attention   [][]int // the positions to which each position attends
}

type shape struct {
	name          string
	rows, columns int
}

// shapes are those of all parameter matrices, in order.
func (c *config) shapes() []shape {
	e := c.embedding
	shapes := []shape{{"wte", c.vocabulary, e}, {"wpe", c.block, e}, {"lm_head", c.vocabulary, e}}
	for i := range c.layers {
		for _, s := range []shape{
			{"attn_wq", e, e}, {"attn_wk", e, e}, {"attn_wv", e, e}, {"attn_wo", e, e},
			{"mlp_fc1", 4 * e, e}, {"mlp_fc2", e, 4 * e},
		} {
			shapes = append(shapes, shape{fmt.Sprintf("layer%d.%s", i, s.name), s.rows, s.columns})
		}
	}
	return shapes
}

func causal(block int) [][]int {
	attention := make([][]int, block)
	for t := range attention {
		for s := range t + 1 {
			attention[t] = append(attention[t], s)
		}
	}
	return attention
}

type model struct {
	config
	math       *functions
	parameters vector

	wte, wpe, lmHead matrix
	layer            []layer
	positions        []*position // those that were needed so far
}

type layer struct{ wq, wk, wv, wo, fc1, fc2 matrix }

// newModel takes the parameters in their order; they are its own from now on.
func newModel(c config, math *functions, parameters []float64) *model {
	m := &model{config: c, math: math, parameters: vector{parameters, make([]float64, len(parameters))}}
	var matrices []matrix
	from := 0
	for _, s := range c.shapes() {
		to := from + s.rows*s.columns
		matrices = append(matrices, matrix{m.parameters.part(from, to), s.rows, s.columns})
		from = to
	}
	m.wte, m.wpe, m.lmHead = matrices[0], matrices[1], matrices[2]
	for w := matrices[3:]; len(w) > 0; w = w[6:] {
		m.layer = append(m.layer, layer{w[0], w[1], w[2], w[3], w[4], w[5]})
	}
	return m
}

// ---------------------------------------------------------------- one position

// position is what the model computes there. token and target are set for each document.
type position struct {
	token, target int

	operations   []operation
	logits       vector
	crossEntropy crossEntropy
	keys, values []vector    // of each layer
	gradients    [][]float64 // of all vectors made here
	activations  []namedNumbers
}

// namedNumbers is an intermediate result that the verb `forward` shows.
type namedNumbers struct {
	name    string
	numbers []float64
}

func (m *model) position(t int) *position {
	for len(m.positions) <= t {
		m.positions = append(m.positions, m.newPosition(len(m.positions)))
	}
	return m.positions[t]
}

func (m *model) newPosition(t int) *position {
	p := &position{}
	x := p.vector(m.embedding)
	p.do(&embedding{m.wte, &p.token, m.wpe.row(t), x})
	p.show("embedded", x.data)
	x = m.rmsnorm(p, "normed", x)
	for i := range m.layer {
		x = m.attentionBlock(p, t, i, x)
		x = m.mlpBlock(p, i, x)
	}
	p.logits = p.vector(m.vocabulary)
	p.do(&logits{linear{m.lmHead, x, p.logits}, &p.target})
	p.show("logits", p.logits.data)
	p.crossEntropy = newCrossEntropy(m.math, p.logits, &p.target)
	return p
}

func (m *model) attentionBlock(p *position, t, i int, x vector) vector {
	w, name := m.layer[i], fmt.Sprintf("layer%d.", i)
	norm := m.rmsnorm(p, name+"attn_norm", x)
	q, k, v := p.vector(m.embedding), p.vector(m.embedding), p.vector(m.embedding)
	p.do(&projections{linear{w.wq, norm, q}, linear{w.wk, norm, k}, linear{w.wv, norm, v}, m.heads})
	p.show(name+"q", q.data)
	p.show(name+"k", k.data)
	p.show(name+"v", v.data)
	p.keys, p.values = append(p.keys, k), append(p.values, v)
	out := m.linear(p, name+"attn_out", w.wo, m.attend(p, t, i, q))
	return m.residual(p, name+"attn_residual", out, x)
}

// attend is the mixtures of all heads, side by side.
func (m *model) attend(p *position, t, i int, query vector) vector {
	var keys, values []vector
	for _, s := range m.attention[t] {
		there := p
		if s < t {
			there = m.positions[s]
		}
		keys, values = append(keys, there.keys[i]), append(values, there.values[i])
	}
	out, size := p.vector(m.embedding), m.embedding/m.heads
	for h := range m.heads {
		from, to := h*size, (h+1)*size
		keys, values := partsOf(keys, from, to), partsOf(values, from, to)
		head := newAttention(m.math, query.part(from, to), keys, values, out.part(from, to))
		p.do(head)
		name := fmt.Sprintf("layer%d.head%d.", i, h)
		p.show(name+"scores", head.scores)
		p.show(name+"weights", head.weights)
		p.show(name+"mixed", head.out.data)
	}
	return out
}

func (m *model) mlpBlock(p *position, i int, x vector) vector {
	w, name := m.layer[i], fmt.Sprintf("layer%d.", i)
	norm := m.rmsnorm(p, name+"mlp_norm", x)
	hidden, activated := m.linear(p, name+"hidden", w.fc1, norm), p.vector(w.fc1.rows)
	p.do(&activation{hidden, activated, m.squaredRelu, m.math})
	p.show(name+"activated", activated.data)
	out := m.linear(p, name+"mlp_out", w.fc2, activated)
	return m.residual(p, name+"mlp_residual", out, x)
}

func (m *model) rmsnorm(p *position, name string, x vector) vector {
	out := p.vector(len(x.data))
	p.do(&rmsnorm{x: x, out: out, math: m.math})
	p.show(name, out.data)
	return out
}

func (m *model) linear(p *position, name string, w matrix, x vector) vector {
	out := p.vector(w.rows)
	p.do(&linear{w, x, out})
	p.show(name, out.data)
	return out
}

func (m *model) residual(p *position, name string, a, b vector) vector {
	out := p.vector(len(a.data))
	p.do(&addition{a, b, out})
	p.show(name, out.data)
	return out
}

// vector is one whose gradients each forward sets to zero.
func (p *position) vector(n int) vector {
	v := newVector(n)
	p.gradients = append(p.gradients, v.gradient)
	return v
}

func (p *position) do(o operation) {
	p.operations = append(p.operations, o)
}

func (p *position) show(name string, numbers []float64) {
	p.activations = append(p.activations, namedNumbers{name, numbers})
}

// forward computes the logits for what follows the token.
func (p *position) forward() {
	for _, gradient := range p.gradients {
		clear(gradient)
	}
	for _, o := range p.operations {
		o.forward()
	}
}

// backward takes the gradient of this position's loss.
func (p *position) backward(gradient float64) {
	p.crossEntropy.backward(gradient)
	for i := len(p.operations) - 1; i >= 0; i-- {
		p.operations[i].backward()
	}
}

// ---------------------------------------------------------------- documents

// positionsOf are those of a document, with its tokens and targets.
func (m *model) positionsOf(tokens []int) []*position {
	n := min(m.block, len(tokens)-1)
	m.position(n - 1)
	for t, p := range m.positions[:n] {
		p.token, p.target = tokens[t], tokens[t+1]
	}
	return m.positions[:n]
}

// loss is the mean over a document's positions.
func (m *model) loss(tokens []int) float64 {
	positions, sum := m.positionsOf(tokens), 0.0
	for _, p := range positions {
		p.forward()
		p.crossEntropy.forward()
		sum += p.crossEntropy.loss
	}
	return sum * (1 / float64(len(positions)))
}

// backward follows loss for the same document.
func (m *model) backward(tokens []int) {
	clear(m.parameters.gradient)
	positions := m.positionsOf(tokens)
	for t := len(positions) - 1; t >= 0; t-- {
		positions[t].backward(1 / float64(len(positions)))
	}
}

// ---------------------------------------------------------------- sampling

// draw is what sample tells of each token that it draws. The probabilities are good until the next draw.
type draw func(probabilities []float64, token int)

// sample draws tokens until BOS or the end of the block.
func (m *model) sample(temperature float64, g *generator, drawn draw) error {
	bos := m.vocabulary - 1
	token, coolness := bos, m.math.pow(temperature, -1)
	cooled, probabilities := make([]float64, m.vocabulary), make([]float64, m.vocabulary)
	for t := range m.block {
		p := m.position(t)
		p.token = token
		p.forward()
		for i, logit := range p.logits.data {
			cooled[i] = float64(logit * coolness)
		}
		softmax(m.math, cooled, probabilities)
		var err error
		if token, err = g.choice(probabilities); err != nil {
			return fmt.Errorf("the probabilities at position %d: %w", t, err)
		}
		drawn(probabilities, token)
		if token == bos {
			break
		}
	}
	return nil
}
