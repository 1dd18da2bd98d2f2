package main

// What each verb does (SPEC, section 12).

import (
	"fmt"
	"math"
	"slices"
)

var verbs = map[string]func(in *request, out *reply){
	"hello": helloVerb, "arith": arithVerb, "math": mathVerb, "random": randomVerb, "tokens": tokensVerb,
	"graph": graphVerb, "forward": forwardVerb, "backward": backwardVerb, "adam": adamVerb, "train": trainVerb,
	"sample": sampleVerb, "run": runVerb,
}

func helloVerb(in *request, out *reply) {
	out.line("name", "go")
	out.line("protocol", 1)
	out.line("verbs", "hello arith math random tokens graph forward backward adam train sample run")
	out.line("math", "exact native")
}

// operation takes from least to most numbers, a multiple of step.
type operation struct {
	least, most, step int
	compute           func(x []float64) float64
}

func arithVerb(in *request, out *reply) {
	calculate(in, out, map[string]operation{
		"add":    {2, 2, 1, func(x []float64) float64 { return x[0] + x[1] }},
		"sub":    {2, 2, 1, func(x []float64) float64 { return x[0] - x[1] }},
		"mul":    {2, 2, 1, func(x []float64) float64 { return x[0] * x[1] }},
		"div":    {2, 2, 1, func(x []float64) float64 { return x[0] / x[1] }},
		"sqrt":   {1, 1, 1, func(x []float64) float64 { return math.Sqrt(x[0]) }},
		"muladd": {3, 3, 1, func(x []float64) float64 { return float64(x[0]*x[1]) + x[2] }},
		"sum": {1, anyNumber, 1, func(x []float64) (sum float64) {
			for _, term := range x {
				sum += term
			}
			return sum
		}},
		"dot": {2, anyNumber, 2, func(x []float64) (sum float64) {
			for factors := range slices.Chunk(x, 2) {
				sum += float64(factors[0] * factors[1])
			}
			return sum
		}},
		"decimals": {1, 1, 1, func(x []float64) float64 {
			return inDomain(x[0], !(math.Abs(x[0]) > 1<<53) || math.IsInf(x[0], 0))
		}},
	})
}

func mathVerb(in *request, out *reply) {
	f := in.functions()
	calculate(in, out, map[string]operation{
		"exp": {1, 1, 1, func(x []float64) float64 { return f.exp(x[0]) }},
		"log": {1, 1, 1, func(x []float64) float64 { return f.log(x[0]) }},
		"sin": {1, 1, 1, func(x []float64) float64 { return f.sin(inDomain(x[0], !(math.Abs(x[0]) > 8))) }},
		"cos": {1, 1, 1, func(x []float64) float64 { return f.cos(inDomain(x[0], !(math.Abs(x[0]) > 8))) }},
		"pow": {2, 2, 1, func(x []float64) float64 { return f.pow(x[0], exponent(x[1], 4096)) }},
	})
}

func calculate(in *request, out *reply, operations map[string]operation) {
	in.each(func(key string, words []string) {
		x, o := parse(words, parseDouble), operations[key]
		if n := len(x); o.compute == nil || n < o.least || n > o.most || n%o.step != 0 {
			refuse("there is no %s of %d numbers", quoted(key), n)
		}
		if result := o.compute(x); key == "decimals" {
			out.line(key, []rune(decimals(result)))
		} else {
			out.doubles(key, result)
		}
	})
}

func inDomain(x float64, is bool) float64 {
	if !is {
		refuse("%g is not in the domain", x)
	}
	return x
}

func exponent(y, most float64) float64 {
	return inDomain(y, math.Abs(y) <= most && math.Floor(2*y) == 2*y)
}

func randomVerb(in *request, out *reply) {
	f := in.functions()
	g := newGenerator(uint32(in.integer("seed", 0, math.MaxUint32)), f)
	in.each(func(key string, words []string) {
		switch n := len(words); {
		case key == "words" && n == 1:
			out.line(key, draws(words[0], g.word))
		case key == "random" && n == 1:
			out.doubles(key, draws(words[0], g.random)...)
		case key == "gauss" && n == 2:
			sigma := parseDouble(words[1])
			out.doubles(key, draws(words[0], func() float64 { return g.gauss(sigma) })...)
		case key == "shuffle" && n == 1:
			items := make([]int, parseInteger(words[0], 0, 10000))
			for i := range items {
				items[i] = i
			}
			shuffle(g, items)
			out.line(key, items)
		case key == "choices" && n >= 2 && n <= 1001:
			weights := parse(words[1:], parseDouble)
			out.line(key, draws(words[0], func() int { return g.choice(weights) }))
		case key == "state" && n == 0:
			out.line(key, g.index, g.words)
			if g.hasKept {
				out.doubles("kept", g.kept)
			} else {
				out.line("kept", "none")
			}
		default:
			refuse("there is nothing to draw by %s with %d values", quoted(key), n)
		}
	})
}

func draws[T any](count string, draw func() T) []T {
	drawn := make([]T, parseInteger(count, 0, 1000))
	for i := range drawn {
		drawn[i] = draw()
	}
	return drawn
}

// text is the lines of a dataset.
func (in *request) text() (lines []string) {
	for more := true; more; more = in.key() != "end" {
		lines = append(lines, string(parse(in.take("line", 0, 10000), func(word string) rune {
			n := parseInteger(word, 0, 0x10ffff)
			if 0xd800 <= n && n <= 0xdfff {
				refuse("a text has no surrogates such as %d", n)
			}
			return rune(n)
		})))
	}
	return lines
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

func graphVerb(in *request, out *reply) {
	g := newGraph(in.functions())
	var a, b value // the operands of an expression
	var c float64
	expressions := map[string]struct {
		operands string // in their order; y is an exponent
		make     func() value
	}{
		"leaf":       {"c", func() value { return g.leaf(c) }},
		"add":        {"ab", func() value { return g.add(a, b) }},
		"sub":        {"ab", func() value { return g.add(a, g.neg(b)) }},
		"mul":        {"ab", func() value { return g.mul(a, b) }},
		"div":        {"ab", func() value { return g.mul(a, g.pow(b, -1)) }},
		"neg":        {"a", func() value { return g.neg(a) }},
		"exp":        {"a", func() value { return g.exp(a) }},
		"log":        {"a", func() value { return g.log(a) }},
		"relu":       {"a", func() value { return g.relu(a) }},
		"pow":        {"ay", func() value { return g.pow(a, c) }},
		"add_number": {"ac", func() value { return g.addNumber(a, c) }},
		"sub_number": {"ac", func() value { return g.addNumber(a, -c) }},
		"mul_number": {"ac", func() value { return g.mulNumber(a, c) }},
		"div_number": {"ac", func() value { return g.mulNumber(a, g.math.pow(c, -1)) }},
		"number_sub": {"ca", func() value { return g.addNumber(g.neg(a), c) }},
		"number_div": {"ca", func() value { return g.mulNumber(g.pow(a, -1), c) }},
	}
	var made vector
	earlier := func(word string) value { return made[parseInteger(word, 0, len(made)-1)] }
	for in.key() != "root" {
		key := in.key()
		if key == "sum" {
			made = append(made, g.sum(parse(in.take(key, 1, anyNumber), earlier)))
			continue
		}
		expression := expressions[key]
		words := in.take(key, len(expression.operands), len(expression.operands))
		for i, operand := range expression.operands {
			switch operand {
			case 'a':
				a = earlier(words[i])
			case 'b':
				b = earlier(words[i])
			case 'c':
				c = parseDouble(words[i])
			case 'y':
				c = exponent(parseDouble(words[i]), 1024)
			}
		}
		if expression.make == nil {
			refuse("there is no expression %s", quoted(key))
		}
		made = append(made, expression.make())
	}
	g.backward(earlier(in.take("root", 1, 1)[0]))
	for _, v := range made {
		out.doubles("value", g.data[v])
	}
	for _, v := range made {
		out.doubles("gradient", g.gradients[v])
	}
}

func (in *request) shape() (s settings, f *functions) {
	f = in.functions()
	s.layers, s.heads = in.integer("layers", 1, 16), in.integer("heads", 1, 64)
	if s.embedding = in.integer("embedding", 1, 512); s.embedding%s.heads != 0 {
		refuse("embedding is a multiple of heads and %d is none of %d", s.embedding, s.heads)
	}
	s.block, s.vocabulary = in.integer("block", 1, 1024), in.integer("vocabulary", 2, 2048)
	s.squaredRelu = in.choice("activation", "relu", "squared_relu")
	for t := range s.block {
		attended := in.increasing("attend", 1, 0, t)
		if attended[len(attended)-1] != t {
			refuse("the positions of attend end with %d", t)
		}
		s.attention = append(s.attention, attended)
	}
	return s, f
}

func (in *request) optimizer(s *settings) {
	s.learningRate, s.beta1 = in.double("learning_rate"), in.double("beta1")
	s.beta2, s.epsilon = in.double("beta2"), in.double("epsilon")
	s.cosine = in.choice("schedule", "linear", "cosine")
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
	m.record = func(at place, name string, v vector) {
		prefix := fmt.Sprintf("pos%d.", at.position)
		if at.layer != none {
			prefix += fmt.Sprintf("layer%d.", at.layer)
		}
		if at.head != none {
			prefix += fmt.Sprintf("head%d.", at.head)
		}
		out.tensor(prefix+name, len(v), m.numbers(v))
	}
	out.doubles("loss", m.data[m.loss(document)])
}

func backwardVerb(in *request, out *reply) {
	m, document := in.modelAndDocument()
	loss := m.loss(document)
	m.backward(loss)
	out.doubles("loss", m.data[loss])
	out.tensors("", m.settings, m.parameterGradients())
}

func adamVerb(in *request, out *reply) {
	var s settings
	var rows, columns int
	f := in.functions()
	in.optimizer(&s)
	step := in.integer("step", 0, s.steps-1)
	fmt.Sscanf(append(*in, "end")[0], "tensor parameters %d %d", &rows, &columns)
	if min(rows, columns) < 1 || max(rows, columns) > 2048 {
		refuse("expected the tensor parameters with 1 to 2048 rows and columns")
	}
	p, g := in.tensor("parameters", rows, columns), in.tensor("gradients", rows, columns)
	m, v := in.tensor("m", rows, columns), in.tensor("v", rows, columns)
	rate, correction1, correction2 := s.update(step, f, p, g, m, v)
	out.doubles("rate", rate)
	out.doubles("correction1", correction1)
	out.doubles("correction2", correction2)
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
		out.doubles("loss", m.train(step, documents[step%len(documents)]))
		lists := [][]float64{m.parameterGradients(), m.m, m.v, m.parameters()}
		names := []string{"gradients", "m", "v", "parameters"}
		for i, name := range names {
			out.checksum(name, lists[i])
		}
		for i, name := range names {
			if slices.Contains(full, step) {
				out.tensors(name+".", s, lists[i])
			}
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
	for i, word := range state[1:] {
		g.words[i] = uint32(parseInteger(word, 0, math.MaxUint32))
	}
	if kept := in.take("kept", 1, 1)[0]; kept != "none" {
		g.kept, g.hasKept = parseDouble(kept), true
	}
	for i := range samples {
		out.line("sample", i)
		m.sample(temperature, g, func(probabilities []float64, token int) {
			out.doubles("probabilities", probabilities...)
			out.line("token", token)
		})
	}
	out.line("word", g.word())
}

func runVerb(in *request, out *reply) {
	g := newGenerator(42, in.functions())
	p := presets["seed"]
	if in.choice("preset", "seed", "classic") {
		p = presets["classic"]
	}
	p.steps = in.integer("steps", 1, 4096)
	samples := in.integer("samples", 0, 1000)
	m := p.run(in.text(), samples, g, func(format string, values ...any) {
		out.line("print", []rune(fmt.Sprintf(format, values...)))
	})
	out.checksum("parameters", m.parameters())
	out.checksum("m", m.m)
	out.checksum("v", m.v)
	out.line("word", g.word())
}
