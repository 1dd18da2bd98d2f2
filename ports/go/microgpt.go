package main

// Microgpt: random numbers, tokens, the model, training, sampling and a whole run (SPEC, sections 3, 4 and 6 to 10).

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sort"
	"strconv"
	"strings"
)

const stateWords = 624

// generator is the Mersenne Twister MT19937, as Python uses it.
type generator struct {
	math    *functions
	words   [stateWords]uint32
	index   int // of the next word
	kept    float64
	hasKept bool // the second result of gauss
}

func newGenerator(seed uint32, math *functions) *generator {
	g := &generator{math: math, index: stateWords}
	mt, i := &g.words, 1
	mt[0] = 19650218
	for i := range mt[1:] {
		mt[i+1] = 1812433253*(mt[i]^mt[i]>>30) + uint32(i+1)
	}
	stir := func(factor, plus uint32) {
		mt[i] = (mt[i] ^ (mt[i-1]^mt[i-1]>>30)*factor) + plus
		if i++; i == stateWords {
			mt[0], i = mt[stateWords-1], 1
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

func (g *generator) word() uint32 {
	if mt := &g.words; g.index == stateWords {
		for i := range mt {
			y := mt[i]&0x80000000 | mt[(i+1)%stateWords]&0x7fffffff
			mt[i] = mt[(i+397)%stateWords] ^ y>>1 ^ (y&1)*0x9908b0df
		}
		g.index = 0
	}
	y := g.words[g.index]
	g.index++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (g *generator) random() float64 {
	a, b := g.word()>>5, g.word()>>6
	return float64(uint64(a)<<26|uint64(b)) / (1 << 53)
}

// gauss makes two normal numbers at a time (Box and Muller), and keeps the second for the next call.
func (g *generator) gauss(sigma float64) float64 {
	z := g.kept
	if g.hasKept = !g.hasKept; g.hasKept {
		angle := g.random() * (2 * math.Pi)
		radius := math.Sqrt(-2 * g.math.log(1-g.random()))
		z, g.kept = g.math.cos(angle)*radius, g.math.sin(angle)*radius
	}
	return 0 + float64(z*sigma)
}

func (g *generator) below(n int) int {
	for {
		if r := int(g.word() >> (32 - bits.Len(uint(n)))); r < n {
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

// choice is an index into the weights, each as likely as its weight says.
func (g *generator) choice(weights []float64) (int, error) {
	sums := slices.Clone(weights)
	for i := range sums[1:] {
		sums[i+1] += sums[i]
	}
	last := len(sums) - 1
	if total := sums[last]; !(total > 0 && total <= math.MaxFloat64) {
		return 0, errors.New("the weights of a choice must add up to a finite number above 0")
	}
	u := g.random() * sums[last]
	return sort.Search(last, func(i int) bool { return u < sums[i] }), nil
}

// dataset has the documents, and their distinct characters in order. Each of these is a token; BOS comes after them.
type dataset struct {
	documents  []string
	characters []rune
	bos        int
}

func newDataset(lines []string) (*dataset, error) {
	d := &dataset{}
	for _, line := range lines {
		if document := strings.Trim(line, "\t\n\v\f\r "); document != "" {
			d.documents = append(d.documents, document)
		}
	}
	d.characters = []rune(strings.Join(d.documents, ""))
	slices.Sort(d.characters)
	d.characters = slices.Compact(d.characters)
	if d.bos = len(d.characters); d.bos == 0 || d.bos > 2047 {
		return nil, fmt.Errorf("a dataset has 1 to 2047 distinct characters and this one has %d", d.bos)
	}
	return d, nil
}

func (d *dataset) encode(document string) []int {
	tokens := []int{d.bos}
	for _, character := range document {
		token, _ := slices.BinarySearch(d.characters, character)
		tokens = append(tokens, token)
	}
	return append(tokens, d.bos)
}

type config struct {
	layers, heads, embedding, block, vocabulary int

	squaredRelu bool
	attention   [][]int // the positions to which each position attends
}

func causal(block int) (attention [][]int) {
	var positions []int
	for t := range block {
		positions = append(positions, t)
		attention = append(attention, positions)
	}
	return attention
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

type matrix []vector

// model has a graph that begins with its parameters.
type model struct {
	graph
	config
	size         int        // of the graph without a document
	matrices     []matrix   // in the order of shapes
	keys, values [][]vector // of each layer, and of each position so far
	record       func(at place, name string, v vector)
}

// place is where in the model an intermediate result belongs.
type place struct{ position, layer, head int }

const none = -1 // the layer or head of what has none

func newModel(c config, f *functions, parameters []float64) *model {
	m := &model{graph: newGraph(f), config: c, keys: make([][]vector, c.layers), values: make([][]vector, c.layers)}
	for _, s := range c.shapes() {
		rows := make(matrix, s.rows)
		for i := range rows {
			for _, x := range parameters[:s.columns] {
				rows[i] = append(rows[i], m.leaf(x))
			}
			parameters = parameters[s.columns:]
		}
		m.matrices = append(m.matrices, rows)
	}
	m.size = len(m.nodes)
	return m
}

func (m *model) parameters() []float64         { return m.data[one+1 : m.size] }
func (m *model) parameterGradients() []float64 { return m.gradients[one+1 : m.size] }

// begin forgets the document before.
func (m *model) begin() {
	m.reset(m.size)
	for i := range m.layers {
		m.keys[i], m.values[i] = m.keys[i][:0], m.values[i][:0]
	}
}

func (m *model) note(at place, name string, v vector) vector {
	if m.record != nil {
		m.record(at, name, v)
	}
	return v
}

func (m *model) plus(a, b vector) vector {
	return m.vector(len(a), func(i int) value { return m.add(a[i], b[i]) })
}

func (m *model) linear(x vector, w matrix) vector {
	return m.vector(len(w), func(i int) value { return m.dot(w[i], x) })
}

// rmsnorm is x over its root mean square (Zhang and Sennrich, 2019).
func (m *model) rmsnorm(x vector) vector {
	meanSquare := m.divNumber(m.dot(x, x), float64(len(x)))
	scale := m.pow(m.addNumber(meanSquare, 1e-5), -0.5)
	return m.vector(len(x), func(i int) value { return m.mul(x[i], scale) })
}

func (m *model) softmax(x vector) vector {
	top := m.data[x[0]]
	for _, a := range x[1:] {
		if m.data[a] > top {
			top = m.data[a]
		}
	}
	shift := m.leaf(-top)
	exps := m.vector(len(x), func(i int) value { return m.exp(m.add(x[i], shift)) })
	total := m.sum(exps)
	// Each quotient has a power of its own, but they are all the same number.
	inverse, slope := m.math.pow(m.data[total], -1), m.leaf(-m.math.pow(m.data[total], -2))
	return m.vector(len(x), func(i int) value { return m.mul(exps[i], m.pair(total, slope, inverse)) })
}

func (m *model) activate(x vector) vector {
	return m.vector(len(x), func(i int) value {
		if m.squaredRelu {
			return m.pow(m.relu(x[i]), 2)
		}
		return m.relu(x[i])
	})
}

// attend has the results of all heads for the query q, side by side.
func (m *model) attend(at place, q vector) vector {
	keys, values, positions := m.keys[at.layer], m.values[at.layer], m.attention[at.position]
	size := m.embedding / m.heads
	root := m.math.pow(float64(size), 0.5)
	result := m.vector(len(q), func(int) value { return one })
	for at.head = range m.heads {
		from, to := at.head*size, (at.head+1)*size
		scores := m.vector(len(positions), func(i int) value {
			return m.divNumber(m.dot(q[from:to], keys[positions[i]][from:to]), root)
		})
		weights := m.softmax(m.note(at, "scores", scores))
		m.note(at, "weights", weights)
		for j := from; j < to; j++ {
			column := m.vector(len(positions), func(i int) value { return values[positions[i]][j] })
			result[j] = m.dot(weights, column)
		}
		m.note(at, "mixed", result[from:to])
	}
	return result
}

// logits are for what follows the token at position t. The positions before must have been computed.
func (m *model) logits(token, t int) vector {
	at := place{t, none, none}
	wte, wpe, lmHead := m.matrices[0], m.matrices[1], m.matrices[2]
	x := m.note(at, "embedded", m.plus(wte[token], wpe[t]))
	x = m.note(at, "normed", m.rmsnorm(x))
	for i := range m.layers {
		at.layer = i
		w := m.matrices[3+6*i:]
		wq, wk, wv, wo, fc1, fc2 := w[0], w[1], w[2], w[3], w[4], w[5]

		norm := m.note(at, "attn_norm", m.rmsnorm(x))
		q := m.note(at, "q", m.linear(norm, wq))
		m.keys[i] = append(m.keys[i], m.note(at, "k", m.linear(norm, wk)))
		m.values[i] = append(m.values[i], m.note(at, "v", m.linear(norm, wv)))
		out := m.note(at, "attn_out", m.linear(m.attend(at, q), wo))
		x = m.note(at, "attn_residual", m.plus(out, x))

		hidden := m.note(at, "hidden", m.linear(m.note(at, "mlp_norm", m.rmsnorm(x)), fc1))
		out = m.note(at, "mlp_out", m.linear(m.note(at, "activated", m.activate(hidden)), fc2))
		x = m.note(at, "mlp_residual", m.plus(out, x))
	}
	at.layer = none
	return m.note(at, "logits", m.linear(x, lmHead))
}

// loss is the mean over a document's positions of -log p(next token).
func (m *model) loss(tokens []int) value {
	m.begin()
	n := min(m.block, len(tokens)-1)
	losses := m.vector(n, func(t int) value {
		at := place{t, none, none}
		probabilities := m.note(at, "probabilities", m.softmax(m.logits(tokens[t], t)))
		loss := m.list(m.neg(m.log(probabilities[tokens[t+1]])))
		return m.note(at, "loss", loss)[0]
	})
	return m.mulNumber(m.sum(losses), 1/float64(n))
}

func (m *model) numbers(v vector) []float64 {
	numbers := make([]float64, len(v))
	for i, a := range v {
		numbers[i] = m.data[a]
	}
	return numbers
}

// sample draws tokens until BOS or the end of the block, and tells of each.
func (m *model) sample(temperature float64, g *generator, drawn func(probabilities []float64, token int)) error {
	m.begin()
	bos := m.vocabulary - 1
	for t, token := 0, bos; t < m.block && (t == 0 || token != bos); t++ {
		logits := m.logits(token, t)
		cooled := m.vector(len(logits), func(i int) value { return m.divNumber(logits[i], temperature) })
		probabilities := m.numbers(m.softmax(cooled))
		var err error
		if token, err = g.choice(probabilities); err != nil {
			return fmt.Errorf("the probabilities at position %d: %w", t, err)
		}
		drawn(probabilities, token)
	}
	return nil
}

// optimizer is Adam (Kingma and Ba, 2015) with a learning rate that falls.
type optimizer struct {
	learningRate, beta1, beta2, epsilon float64

	cosine bool // the schedule; else it is linear
	steps  int
}

// update changes the parameters p and their moments m and v by the gradients g. It returns the learning rate and what m
// and v are divided by because they started at zero. The library's power 0.5 is exact.
func (o *optimizer) update(step int, f *functions, p, g, m, v []float64) (rate, correction1, correction2 float64) {
	s, n := float64(step), float64(o.steps)
	rate = o.learningRate * (1 - s/n)
	if o.cosine {
		rate = o.learningRate * 0.5 * (1 + f.cos(math.Pi*s/n))
	}
	correction1, correction2 = 1-f.pow(o.beta1, s+1), 1-f.pow(o.beta2, s+1)
	for i, g := range g {
		m[i] = float64(o.beta1*m[i]) + float64((1-o.beta1)*g)
		v[i] = float64(o.beta2*v[i]) + float64((1-o.beta2)*(g*g))
		p[i] -= rate * (m[i] / correction1) / (math.Pow(v[i]/correction2, 0.5) + o.epsilon)
	}
	return rate, correction1, correction2
}

// training is under way: step is the next one, from 0.
type training struct {
	*model
	optimizer
	m, v []float64
	step int
}

func newTraining(m *model, o optimizer) *training {
	n := len(m.parameters())
	return &training{model: m, optimizer: o, m: make([]float64, n), v: make([]float64, n)}
}

// advance takes one step on a document. It returns the loss before the update, and leaves the gradients to be seen.
func (t *training) advance(tokens []int) float64 {
	loss := t.loss(tokens)
	t.backward(loss)
	t.update(t.step, t.math, t.parameters(), t.parameterGradients(), t.m, t.v)
	t.step++
	return t.data[loss]
}

type preset struct {
	config // but for the vocabulary
	optimizer
	sigma, outputSigma, temperature float64 // sigma of the parameters, and of attn_wo and mlp_fc2
	samples                         int
}

var presets = map[string]preset{
	"seed": {
		config{layers: 1, heads: 4, embedding: 16, block: 8, squaredRelu: true, attention: causal(8)},
		optimizer{0.01, 0.9, 0.95, 1e-8, true, 500}, 0.02, 0, 0.5, 20,
	},
	"classic": {
		config{layers: 1, heads: 4, embedding: 16, block: 16, attention: causal(16)},
		optimizer{0.01, 0.85, 0.99, 1e-8, false, 1000}, 0.08, 0.08, 0.5, 20,
	},
}

// run trains and samples with one stream of random numbers, and prints line by line.
func (p preset) run(lines []string, g *generator, printf func(format string, values ...any)) (*training, error) {
	d, err := newDataset(lines)
	if err != nil {
		return nil, err
	}
	shuffle(g, d.documents)
	p.vocabulary = d.bos + 1
	var parameters []float64
	for _, s := range p.shapes() {
		sigma := p.sigma
		if strings.HasSuffix(s.name, "attn_wo") || strings.HasSuffix(s.name, "mlp_fc2") {
			sigma = p.outputSigma
		}
		for range s.rows * s.columns {
			parameters = append(parameters, g.gauss(sigma))
		}
	}
	t := newTraining(newModel(p.config, g.math, parameters), p.optimizer)
	printf("num docs: %d", len(d.documents))
	printf("vocab size: %d", p.vocabulary)
	printf("num params: %d", len(parameters))
	for t.step < t.steps {
		loss := t.advance(d.encode(d.documents[t.step%len(d.documents)]))
		printf("step %4d / %4d | loss %s", t.step, t.steps, decimals(loss))
	}
	printf("")
	printf("--- inference (new, hallucinated names) ---")
	for i := range p.samples {
		var text []rune
		err := t.sample(p.temperature, g, func(_ []float64, token int) {
			if token != d.bos {
				text = append(text, d.characters[token])
			}
		})
		if err != nil {
			return nil, fmt.Errorf("sample %d: %w", i+1, err)
		}
		printf("sample %2d: %s", i+1, string(text))
	}
	return t, nil
}

// decimals is x with four of them, rounded from its exact value.
func decimals(x float64) string {
	return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(x, 'f', 4, 64)), "+")
}
