package main

// Microgpt: random numbers, tokens, the model, training, sampling and a whole run (SPEC, sections 3, 4 and 6 to 10).

import (
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
	mt := &g.words
	mt[0] = 19650218
	for i := range mt[1:] {
		mt[i+1] = 1812433253*(mt[i]^mt[i]>>30) + uint32(i+1)
	}
	for round := range 2*stateWords - 1 {
		i := round%(stateWords-1) + 1
		if mixed := mt[i-1] ^ mt[i-1]>>30; round < stateWords {
			mt[i] = (mt[i] ^ mixed*1664525) + seed
		} else {
			mt[i] = (mt[i] ^ mixed*1566083941) - uint32(i)
		}
		mt[0] = mt[stateWords-1]
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

func shuffle[T any](g *generator, items []T) {
	for i := len(items) - 1; i > 0; i-- {
		j := i + 1
		for j > i {
			j = int(g.word() >> (32 - bits.Len(uint(i+1))))
		}
		items[i], items[j] = items[j], items[i]
	}
}

// upTo has the numbers from 0 to n-1.
func upTo(n int) []int { return list(n, func(i int) int { return i }) }

// choice is an index into the weights, each as likely as its weight says.
func (g *generator) choice(weights []float64) int {
	sums := slices.Clone(weights)
	for i := range sums[1:] {
		sums[i+1] += sums[i]
	}
	last := len(sums) - 1
	ensure(sums[last] > 0 && sums[last] <= math.MaxFloat64, "expected weights that add up to a finite number above 0")
	u := g.random() * sums[last]
	return sort.Search(last, func(i int) bool { return u < sums[i] })
}

// dataset has the documents, and their distinct characters in order. Each of these is a token; BOS comes after them.
type dataset struct {
	documents  []string
	characters []rune
	bos        int
}

func newDataset(lines []string) (d dataset) {
	for _, line := range lines {
		if document := strings.Trim(line, "\t\n\v\f\r "); document != "" {
			d.documents = append(d.documents, document)
		}
	}
	characters := []rune(strings.Join(d.documents, ""))
	slices.Sort(characters)
	d.characters = slices.Compact(characters)
	d.bos = len(d.characters)
	ensure(1 <= d.bos && d.bos <= 2047, "a dataset has 1 to 2047 distinct characters and this one has %d", d.bos)
	return d
}

func (d *dataset) encode(document string) []int {
	tokens := convert([]rune(document), func(character rune) int { return slices.Index(d.characters, character) })
	return slices.Concat([]int{d.bos}, tokens, []int{d.bos})
}

// settings are the shape of a model and how it is trained.
type settings struct {
	layers, heads, embedding, block, vocabulary int
	squaredRelu                                 bool
	attention                                   [][]int // the positions to which each position attends
	learningRate, beta1, beta2, epsilon         float64
	cosine                                      bool // the schedule; else it is linear
	steps                                       int
}

type shape struct {
	name          string
	rows, columns int
}

// shapes are those of all parameter matrices, in order.
func (s *settings) shapes() []shape {
	e := s.embedding
	shapes := []shape{{"wte", s.vocabulary, e}, {"wpe", s.block, e}, {"lm_head", s.vocabulary, e}}
	for i := range s.layers {
		layer := []shape{{"attn_wq", e, e}, {"attn_wk", e, e}, {"attn_wv", e, e}, {"attn_wo", e, e}}
		for _, w := range append(layer, shape{"mlp_fc1", 4 * e, e}, shape{"mlp_fc2", e, 4 * e}) {
			shapes = append(shapes, shape{fmt.Sprintf("layer%d.%s", i, w.name), w.rows, w.columns})
		}
	}
	return shapes
}

type matrix []vector

// model is a model in training. Its graph begins with the parameters.
type model struct {
	graph
	settings
	size         int        // of the graph without a document
	matrices     []matrix   // in the order of shapes
	keys, values [][]vector // of each layer, and of each position so far
	m, v         []float64  // Adam's moments
	record       func(name string, v vector, at ...int)
}

func newModel(s settings, f *functions, parameters []float64) *model {
	n := len(parameters)
	m := &model{graph: newGraph(f), settings: s, m: make([]float64, n), v: make([]float64, n)}
	for _, s := range s.shapes() {
		m.matrices = append(m.matrices, list(s.rows, func(i int) vector {
			return convert(parameters[i*s.columns:(i+1)*s.columns], m.leaf)
		}))
		parameters = parameters[s.rows*s.columns:]
	}
	m.size = len(m.data)
	return m
}

func (m *model) parameters() []float64         { return m.data[one+1 : m.size] }
func (m *model) parameterGradients() []float64 { return m.gradients[one+1 : m.size] }

// begin forgets the document before.
func (m *model) begin() {
	m.reset(m.size)
	m.keys, m.values = make([][]vector, m.layers), make([][]vector, m.layers)
}

// note tells what it passes on to whoever records: its name, and at which position, layer and head it is.
func (m *model) note(name string, v vector, at ...int) vector {
	if m.record != nil {
		m.record(name, v, slices.Clone(at)...)
	}
	return v
}

func (m *model) plus(a, b vector) vector {
	return list(len(a), func(i int) value { return m.add(a[i], b[i]) })
}

func (m *model) linear(x vector, w matrix) vector {
	return convert(w, func(row vector) value { return m.dot(row, x) })
}

// rmsnorm is x over its root mean square (Zhang and Sennrich, 2019).
func (m *model) rmsnorm(x vector) vector {
	meanSquare := m.mulNumber(m.dot(x, x), m.math.pow(float64(len(x)), -1))
	scale := m.pow(m.addNumber(meanSquare, 1e-5), -0.5)
	return convert(x, func(a value) value { return m.mul(a, scale) })
}

func (m *model) softmax(x vector) vector {
	top := m.data[x[0]]
	for _, a := range x[1:] {
		if m.data[a] > top {
			top = m.data[a]
		}
	}
	shift := m.leaf(-top)
	exps := convert(x, func(a value) value { return m.exp(m.add(a, shift)) })
	total := m.sum(exps...)
	// Each quotient has a power of its own, but they are all the same number.
	inverse, slope := m.math.pow(m.data[total], -1), m.leaf(-m.math.pow(m.data[total], -2))
	return convert(exps, func(a value) value { return m.mul(a, m.node(inverse, total, slope)) })
}

func (m *model) activate(a value) value {
	if m.squaredRelu {
		return m.pow(m.relu(a), 2)
	}
	return m.relu(a)
}

// attend has the results of all heads for the query q at position t of a layer, side by side.
func (m *model) attend(q vector, t, layer int) (result vector) {
	keys, values, positions := m.keys[layer], m.values[layer], m.attention[t]
	size := m.embedding / m.heads
	factor := m.math.pow(m.math.pow(float64(size), 0.5), -1)
	for head := range m.heads {
		from, to := head*size, (head+1)*size
		scores := convert(positions, func(s int) value {
			return m.mulNumber(m.dot(q[from:to], keys[s][from:to]), factor)
		})
		weights := m.note("weights", m.softmax(m.note("scores", scores, t, layer, head)), t, layer, head)
		mixed := list(size, func(j int) value {
			return m.dot(weights, convert(positions, func(s int) value { return values[s][from+j] }))
		})
		result = append(result, m.note("mixed", mixed, t, layer, head)...)
	}
	return result
}

// logits are for what follows the token at position t. The positions before must have been computed.
func (m *model) logits(token, t int) vector {
	wte, wpe, lmHead := m.matrices[0], m.matrices[1], m.matrices[2]
	x := m.note("normed", m.rmsnorm(m.note("embedded", m.plus(wte[token], wpe[t]), t)), t)
	for i := range m.layers {
		w := m.matrices[3+6*i:]
		wq, wk, wv, wo, fc1, fc2 := w[0], w[1], w[2], w[3], w[4], w[5]

		norm := m.note("attn_norm", m.rmsnorm(x), t, i)
		q := m.note("q", m.linear(norm, wq), t, i)
		m.keys[i] = append(m.keys[i], m.note("k", m.linear(norm, wk), t, i))
		m.values[i] = append(m.values[i], m.note("v", m.linear(norm, wv), t, i))
		out := m.note("attn_out", m.linear(m.attend(q, t, i), wo), t, i)
		x = m.note("attn_residual", m.plus(out, x), t, i)

		hidden := m.note("hidden", m.linear(m.note("mlp_norm", m.rmsnorm(x), t, i), fc1), t, i)
		out = m.note("mlp_out", m.linear(m.note("activated", convert(hidden, m.activate), t, i), fc2), t, i)
		x = m.note("mlp_residual", m.plus(out, x), t, i)
	}
	return m.note("logits", m.linear(x, lmHead), t)
}

// loss is the mean over a document's positions of -log p(next token).
func (m *model) loss(tokens []int) value {
	m.begin()
	n := min(m.block, len(tokens)-1)
	losses := list(n, func(t int) value {
		probabilities := m.note("probabilities", m.softmax(m.logits(tokens[t], t)), t)
		return m.note("loss", vector{m.neg(m.log(probabilities[tokens[t+1]]))}, t)[0]
	})
	return m.mulNumber(m.sum(losses...), 1/float64(n))
}

func (m *model) numbers(v vector) []float64 {
	return convert(v, func(a value) float64 { return m.data[a] })
}

// sample draws tokens until BOS or the end of the block, and tells of each.
func (m *model) sample(temperature float64, g *generator, drawn func(probabilities []float64, token int)) {
	m.begin()
	bos, factor := m.vocabulary-1, m.math.pow(temperature, -1)
	for t, token := 0, bos; t < m.block && (t == 0 || token != bos); t++ {
		cooled := convert(m.logits(token, t), func(a value) value { return m.mulNumber(a, factor) })
		probabilities := m.numbers(m.softmax(cooled))
		token = g.choice(probabilities)
		drawn(probabilities, token)
	}
}

// update changes the parameters p and their moments m and v by the gradients g (Adam, Kingma and Ba, 2015). It returns
// the learning rate and what m and v are divided by because they started at zero. The library's power 0.5 is exact.
func (s *settings) update(step int, f *functions, p, g, m, v []float64) (rate, correction1, correction2 float64) {
	done := float64(step) / float64(s.steps)
	rate = s.learningRate * (1 - done)
	if s.cosine {
		rate = s.learningRate * 0.5 * (1 + f.cos(math.Pi*float64(step)/float64(s.steps)))
	}
	correction1, correction2 = 1-f.pow(s.beta1, float64(step+1)), 1-f.pow(s.beta2, float64(step+1))
	for i, g := range g {
		m[i] = float64(s.beta1*m[i]) + float64((1-s.beta1)*g)
		v[i] = float64(s.beta2*v[i]) + float64((1-s.beta2)*(g*g))
		p[i] -= rate * (m[i] / correction1) / (math.Pow(v[i]/correction2, 0.5) + s.epsilon)
	}
	return rate, correction1, correction2
}

// train takes one step on a document. It returns the loss before the update, and leaves the gradients to be seen.
func (m *model) train(step int, tokens []int) float64 {
	loss := m.loss(tokens)
	m.backward(loss)
	m.update(step, m.math, m.parameters(), m.parameterGradients(), m.m, m.v)
	return m.data[loss]
}

// preset has settings but for the vocabulary, and the sigma of the parameters, and of attn_wo and mlp_fc2.
type preset struct {
	settings
	sigma, outputSigma float64
	samples            int
}

var presets = map[string]preset{
	"seed":    {settings{1, 4, 16, 8, 0, true, nil, 0.01, 0.9, 0.95, 1e-8, true, 500}, 0.02, 0, 20},
	"classic": {settings{1, 4, 16, 16, 0, false, nil, 0.01, 0.85, 0.99, 1e-8, false, 1000}, 0.08, 0.08, 20},
}

// run trains and samples with one stream of random numbers, and prints line by line.
func (p preset) run(lines []string, g *generator, print func(line string)) *model {
	d := newDataset(lines)
	shuffle(g, d.documents)
	p.vocabulary = d.bos + 1
	p.attention = list(p.block, func(t int) []int { return upTo(t + 1) })
	var parameters []float64
	for _, s := range p.shapes() {
		sigma := p.sigma
		if strings.HasSuffix(s.name, "attn_wo") || strings.HasSuffix(s.name, "mlp_fc2") {
			sigma = p.outputSigma
		}
		parameters = append(parameters, list(s.rows*s.columns, func(int) float64 { return g.gauss(sigma) })...)
	}
	m := newModel(p.settings, g.math, parameters)
	print(fmt.Sprint("num docs: ", len(d.documents)))
	print(fmt.Sprint("vocab size: ", p.vocabulary))
	print(fmt.Sprint("num params: ", len(parameters)))
	for step := range p.steps {
		loss := m.train(step, d.encode(d.documents[step%len(d.documents)]))
		print(fmt.Sprintf("step %4d / %4d | loss %s", step+1, p.steps, decimals(loss)))
	}
	print("")
	print("--- inference (new, hallucinated names) ---")
	for i := range p.samples {
		text := fmt.Sprintf("sample %2d: ", i+1)
		m.sample(0.5, g, func(_ []float64, token int) {
			if token != d.bos {
				text += string(d.characters[token])
			}
		})
		print(text)
	}
	return m
}

// decimals is x with four of them, rounded from its exact value.
func decimals(x float64) string {
	return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(x, 'f', 4, 64)), "+")
}
