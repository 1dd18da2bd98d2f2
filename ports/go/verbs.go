package main

// What each verb does (SPEC, section 12).

import (
	"fmt"
	"math"
	"slices"
)

var verbs = map[string]func(in *request, out *reply){
	"hello": func(_ *request, out *reply) { out.WriteString(hello) },
	"arith": arithVerb, "math": mathVerb, "random": randomVerb, "tokens": tokensVerb, "graph": graphVerb,
	"forward": forwardVerb, "backward": backwardVerb, "adam": adamVerb, "train": trainVerb, "sample": sampleVerb,
	"run": runVerb,
}

const hello = `name go
protocol 1
verbs hello arith math random tokens graph forward backward adam train sample run
math exact native
`

func arithVerb(in *request, out *reply) {
	in.calls(out, map[string]any{
		"add":    func(x, y float64) float64 { return x + y },
		"sub":    func(x, y float64) float64 { return x - y },
		"mul":    func(x, y float64) float64 { return x * y },
		"div":    func(x, y float64) float64 { return x / y },
		"sqrt":   math.Sqrt,
		"muladd": func(x, y, z float64) float64 { return float64(x*y) + z },
		"sum": func(x ...float64) (sum float64) {
			for _, term := range x {
				sum += term
			}
			return sum
		},
		"dot": func(x ...float64) (sum float64) {
			ensure(len(x)%2 == 0, "dot takes pairs")
			for i := 0; i < len(x); i += 2 {
				sum += float64(x[i] * x[i+1])
			}
			return sum
		},
		"decimals": func(x float64) string {
			return decimals(inDomain(x, !(math.Abs(x) > 1<<53) || math.IsInf(x, 0)))
		},
	})
}

func mathVerb(in *request, out *reply) {
	f := in.functions()
	in.calls(out, map[string]any{
		"exp": f.exp,
		"log": f.log,
		"sin": func(x float64) float64 { return f.sin(inDomain(x, !(math.Abs(x) > 8))) },
		"cos": func(x float64) float64 { return f.cos(inDomain(x, !(math.Abs(x) > 8))) },
		"pow": func(x, y float64) float64 { return f.pow(x, exponent(y, 4096)) },
	})
}

func (in *request) functions() *functions {
	return []*functions{exactMath, nativeMath}[in.choice("math", "exact", "native")]
}

func inDomain(x float64, is bool) float64 {
	ensure(is, "%g is not in the domain", x)
	return x
}

func exponent(y, most float64) float64 {
	return inDomain(y, math.Abs(y) <= most && math.Floor(2*y) == 2*y)
}

func randomVerb(in *request, out *reply) {
	f := in.functions()
	g := newGenerator(uint32(in.integer("seed", 0, math.MaxUint32)), f)
	in.calls(out, map[string]any{
		"words":  func(n int) []uint32 { return draws(n, g.word) },
		"random": func(n int) []float64 { return draws(n, g.random) },
		"gauss":  func(n int, sigma float64) []float64 { return draws(n, func() float64 { return g.gauss(sigma) }) },
		"shuffle": func(n int) []int {
			items := upTo(n)
			shuffle(g, items)
			return items
		},
		"choices": func(n int, weights ...float64) []int {
			ensure(len(weights) <= 1000, "there are 1 to 1000 weights and not %d", len(weights))
			return draws(n, func() int { return g.choice(weights) })
		},
		"state": func() verbatim {
			kept := "none"
			if g.hasKept {
				kept = fmt.Sprintf("%016x", pattern(g.kept))
			}
			return verbatim(fmt.Sprintf("%d %d\nkept %s", g.index, g.words, kept))
		},
	})
}

func draws[T any](n int, draw func() T) []T {
	ensure(n <= 1000, "there are 0 to 1000 draws and not %d", n)
	return list(n, func(int) T { return draw() })
}

func tokensVerb(in *request, out *reply) {
	d := newDataset(in.text())
	out.line("documents", len(d.documents))
	out.line("vocabulary", d.characters)
	out.line("bos", d.bos)
	for _, document := range d.documents {
		out.line("encoded", d.encode(document))
	}
}

// text is the lines of a dataset.
func (in *request) text() (lines []string) {
	for more := true; more; more = in.key() != "end" {
		codePoints := parseIntegers(in.take("line", 0, 10000), 0, 0x10ffff)
		lines = append(lines, string(convert(codePoints, func(n int) rune {
			ensure(n < 0xd800 || n > 0xdfff, "a text has no surrogates such as %d", n)
			return rune(n)
		})))
	}
	return lines
}

func graphVerb(in *request, out *reply) {
	g := newGraph(in.functions())
	expressions := map[string]any{
		"leaf": g.leaf, "add": g.add, "mul": g.mul, "sum": g.sum, "neg": g.neg, "exp": g.exp, "log": g.log, "relu": g.relu,
		"sub":        func(a, b value) value { return g.add(a, g.neg(b)) },
		"div":        func(a, b value) value { return g.mul(a, g.pow(b, -1)) },
		"pow":        func(a value, c float64) value { return g.pow(a, exponent(c, 1024)) },
		"add_number": g.addNumber,
		"sub_number": func(a value, c float64) value { return g.addNumber(a, -c) },
		"mul_number": g.mulNumber,
		"div_number": func(a value, c float64) value { return g.mulNumber(a, g.math.pow(c, -1)) },
		"number_sub": func(c float64, a value) value { return g.addNumber(g.neg(a), c) },
		"number_div": func(c float64, a value) value { return g.mulNumber(g.pow(a, -1), c) },
	}
	var made vector
	for in.key() != "root" {
		_, result := in.call(expressions, made)
		made = append(made, result.(value))
	}
	g.backward(made[in.integer("root", 0, len(made)-1)])
	for _, v := range made {
		out.line("value", g.data[v])
	}
	for _, v := range made {
		out.line("gradient", g.gradients[v])
	}
}

func (in *request) shape() (s settings, f *functions) {
	f = in.functions()
	s.layers, s.heads = in.integer("layers", 1, 16), in.integer("heads", 1, 64)
	s.embedding = in.integer("embedding", 1, 512)
	ensure(s.embedding%s.heads == 0, "embedding is a multiple of heads and %d is none of %d", s.embedding, s.heads)
	s.block, s.vocabulary = in.integer("block", 1, 1024), in.integer("vocabulary", 2, 2048)
	s.squaredRelu = in.choice("activation", "relu", "squared_relu") == 1
	s.attention = list(s.block, func(t int) []int {
		attended := in.increasing("attend", 1, 0, t)
		ensure(attended[len(attended)-1] == t, "the positions of attend end with %d", t)
		return attended
	})
	return s, f
}

func (in *request) optimizer(s *settings) {
	s.learningRate, s.beta1 = in.double("learning_rate"), in.double("beta1")
	s.beta2, s.epsilon = in.double("beta2"), in.double("epsilon")
	s.cosine = in.choice("schedule", "linear", "cosine") == 1
	s.steps = in.integer("steps", 1, 4096)
}

func (in *request) document(s settings) []int {
	return parseIntegers(in.take("tokens", 2, anyNumber), 0, s.vocabulary-1)
}

func (in *request) tensors(prefix string, s settings) (numbers []float64) {
	for _, shape := range s.shapes() {
		numbers = append(numbers, in.tensor(prefix+shape.name, shape.rows, shape.columns)...)
	}
	return numbers
}

func (out *reply) tensors(prefix string, s settings, numbers []float64) {
	for _, shape := range s.shapes() {
		n := shape.rows * shape.columns
		out.tensor(prefix+shape.name, shape.columns, numbers[:n])
		numbers = numbers[n:]
	}
}

func (in *request) modelAndDocument() (*model, []int) {
	s, f := in.shape()
	document := in.document(s)
	return newModel(s, f, in.tensors("", s)), document
}

func forwardVerb(in *request, out *reply) {
	m, document := in.modelAndDocument()
	m.record = func(name string, v vector, at ...int) {
		prefix := ""
		for i, n := range at {
			prefix += fmt.Sprint([]string{"pos", "layer", "head"}[i], n, ".")
		}
		out.tensor(prefix+name, len(v), m.numbers(v))
	}
	out.line("loss", m.data[m.loss(document)])
}

func backwardVerb(in *request, out *reply) {
	m, document := in.modelAndDocument()
	loss := m.loss(document)
	m.backward(loss)
	out.line("loss", m.data[loss])
	out.tensors("", m.settings, m.parameterGradients())
}

func adamVerb(in *request, out *reply) {
	var s settings
	var rows, columns int
	f := in.functions()
	in.optimizer(&s)
	step := in.integer("step", 0, s.steps-1)
	fmt.Sscanf((*in)[0], "tensor parameters %d %d", &rows, &columns)
	ensure(min(rows, columns) >= 1 && max(rows, columns) <= 2048, "expected parameters of 1 to 2048 rows and columns")
	p, g := in.tensor("parameters", rows, columns), in.tensor("gradients", rows, columns)
	m, v := in.tensor("m", rows, columns), in.tensor("v", rows, columns)
	rate, correction1, correction2 := s.update(step, f, p, g, m, v)
	out.line("rate", rate)
	out.line("correction1", correction1)
	out.line("correction2", correction2)
	out.tensor("m", columns, m)
	out.tensor("v", columns, v)
	out.tensor("parameters", columns, p)
}

func trainVerb(in *request, out *reply) {
	s, f := in.shape()
	in.optimizer(&s)
	from := in.integer("from", 0, s.steps-1)
	to := from + in.integer("count", 1, s.steps-from)
	full := in.increasing("full", 0, from, to-1)
	documents := [][]int{in.document(s)}
	for in.key() == "tokens" {
		documents = append(documents, in.document(s))
	}
	m := newModel(s, f, in.tensors("", s))
	if from > 0 {
		m.m, m.v = in.tensors("m.", s), in.tensors("v.", s)
	}
	for step := from; step < to; step++ {
		out.line("step", step)
		out.line("loss", m.train(step, documents[step%len(documents)]))
		lists := [][]float64{m.parameterGradients(), m.m, m.v, m.parameters()}
		names := []string{"gradients", "m", "v", "parameters"}
		for i, name := range names {
			out.checksum(name, lists[i])
		}
		for i := 0; i < 4 && slices.Contains(full, step); i++ {
			out.tensors(names[i]+".", s, lists[i])
		}
	}
}

func sampleVerb(in *request, out *reply) {
	s, f := in.shape()
	temperature := in.double("temperature")
	samples := in.integer("samples", 0, 1000)
	m := newModel(s, f, in.tensors("", s))
	g := &generator{math: f}
	state := in.take("state", 1+stateWords, 1+stateWords)
	g.index = parseInteger(state[0], 0, stateWords)
	for i, word := range parseIntegers(state[1:], 0, math.MaxUint32) {
		g.words[i] = uint32(word)
	}
	if kept := in.take("kept", 1, 1)[0]; kept != "none" {
		g.kept, g.hasKept = parseDouble(kept), true
	}
	for i := range samples {
		out.line("sample", i)
		m.sample(temperature, g, func(probabilities []float64, token int) {
			out.line("probabilities", probabilities)
			out.line("token", token)
		})
	}
	out.line("word", g.word())
}

func runVerb(in *request, out *reply) {
	g := newGenerator(42, in.functions())
	names := []string{"seed", "classic"}
	p := presets[names[in.choice("preset", names...)]]
	p.steps, p.samples = in.integer("steps", 1, 4096), in.integer("samples", 0, 1000)
	m := p.run(in.text(), g, func(line string) { out.line("print", line) })
	out.checksum("parameters", m.parameters())
	out.checksum("m", m.m)
	out.checksum("v", m.v)
	out.line("word", g.word())
}
