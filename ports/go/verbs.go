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
	out.WriteString(`name go
protocol 1
verbs hello arith math random tokens graph forward backward adam train sample run
math exact native
`)
}

func arithVerb(in *request, out *reply) {
	calculate(in, out, map[string]any{
		"add":    func(x, y float64) float64 { return x + y },
		"sub":    func(x, y float64) float64 { return x - y },
		"mul":    func(x, y float64) float64 { return x * y },
		"div":    func(x, y float64) float64 { return x / y },
		"sqrt":   math.Sqrt,
		"muladd": func(x, y, z float64) float64 { return float64(x*y) + z },
		"sum": func(x []float64) (sum float64) {
			for _, term := range x {
				sum += term
			}
			return sum
		},
		"dot": func(x []float64) (sum float64) {
			for factors := range slices.Chunk(x, 2) {
				sum += float64(only(factors, 2)[0] * factors[1])
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
	calculate(in, out, map[string]any{
		"exp": f.exp,
		"log": f.log,
		"sin": func(x float64) float64 { return f.sin(inDomain(x, !(math.Abs(x) > 8))) },
		"cos": func(x float64) float64 { return f.cos(inDomain(x, !(math.Abs(x) > 8))) },
		"pow": func(x, y float64) float64 { return f.pow(x, exponent(y, 4096)) },
	})
}

// calculate answers each line with what the function of that key makes of its numbers.
func calculate(in *request, out *reply, functions map[string]any) {
	in.each(func(key string, words []string) {
		x := parse(words, parseDouble)
		switch f := functions[key].(type) {
		case func(x float64) string:
			out.line(key, []rune(f(only(x, 1)[0])))
		case func(x float64) float64:
			out.doubles(key, f(only(x, 1)[0]))
		case func(x, y float64) float64:
			out.doubles(key, f(only(x, 2)[0], x[1]))
		case func(x, y, z float64) float64:
			out.doubles(key, f(only(x, 3)[0], x[1], x[2]))
		case func(x []float64) float64:
			out.doubles(key, f(only(x, max(1, len(x)))))
		default:
			ensure(false, "there is no function %+.30q", key)
		}
	})
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
			items := upTo(parseInteger(words[0], 0, 10000))
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
			ensure(false, "there is nothing to draw by %+.30q with %d values", key, n)
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
			ensure(n < 0xd800 || n > 0xdfff, "a text has no surrogates such as %d", n)
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
	earlier := func(word string) value { return made[parseInteger(word, 0, len(made)-1)] }
	for in.key() != "root" {
		var v value
		key, words := in.line()
		switch make := expressions[key].(type) {
		case func(c float64) value:
			v = make(parseDouble(only(words, 1)[0]))
		case func(a value) value:
			v = make(earlier(only(words, 1)[0]))
		case func(a, b value) value:
			v = make(earlier(only(words, 2)[0]), earlier(words[1]))
		case func(a value, c float64) value:
			v = make(earlier(only(words, 2)[0]), parseDouble(words[1]))
		case func(c float64, a value) value:
			v = make(parseDouble(only(words, 2)[0]), earlier(words[1]))
		case func(x vector) value:
			v = make(parse(only(words, max(1, len(words))), earlier))
		default:
			ensure(false, "there is no expression %+.30q", key)
		}
		made = append(made, v)
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
	s.embedding = in.integer("embedding", 1, 512)
	ensure(s.embedding%s.heads == 0, "embedding is a multiple of heads and %d is none of %d", s.embedding, s.heads)
	s.block, s.vocabulary = in.integer("block", 1, 1024), in.integer("vocabulary", 2, 2048)
	s.squaredRelu = in.choice("activation", "relu", "squared_relu")
	for t := range s.block {
		attended := in.increasing("attend", 1, 0, t)
		ensure(attended[len(attended)-1] == t, "the positions of attend end with %d", t)
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
	ensure(min(rows, columns) >= 1 && max(rows, columns) <= 2048, "expected parameters of 1 to 2048 rows and columns")
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
