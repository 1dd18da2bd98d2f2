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

// arithmetic is by key and number of operands.
var arithmetic = map[string]func(x []float64) float64{
	"add 2":    func(x []float64) float64 { return x[0] + x[1] },
	"sub 2":    func(x []float64) float64 { return x[0] - x[1] },
	"mul 2":    func(x []float64) float64 { return x[0] * x[1] },
	"div 2":    func(x []float64) float64 { return x[0] / x[1] },
	"sqrt 1":   func(x []float64) float64 { return math.Sqrt(x[0]) },
	"muladd 3": func(x []float64) float64 { return float64(x[0]*x[1]) + x[2] },
}

func arithVerb(in *request, out *reply) {
	for key, words := range in.rest() {
		x, sum := parse(words, parseDouble), 0.0
		switch compute, n := arithmetic[fmt.Sprint(key, " ", len(x))], len(x); {
		case compute != nil:
			out.doubles(key, compute(x))
		case key == "sum" && n > 0:
			for _, term := range x {
				sum += term
			}
			out.doubles(key, sum)
		case key == "dot" && n > 0 && n%2 == 0:
			for factors := range slices.Chunk(x, 2) {
				sum += float64(factors[0] * factors[1])
			}
			out.doubles(key, sum)
		case key == "decimals" && n == 1 && !(math.Abs(x[0]) > 1<<53 && math.Abs(x[0]) <= math.MaxFloat64):
			out.line(key, []rune(decimals(x[0])))
		default:
			refuse("there is no operation %s of %d such numbers", quoted(key), n)
		}
	}
}

func mathVerb(in *request, out *reply) {
	f := in.functions()
	unary := map[string]func(x float64) float64{"exp": f.exp, "log": f.log, "sin": f.sin, "cos": f.cos}
	for key, words := range in.rest() {
		x := parse(words, parseDouble)
		switch compute := unary[key]; {
		case compute != nil && len(x) == 1 && !((key == "sin" || key == "cos") && math.Abs(x[0]) > 8):
			out.doubles(key, compute(x[0]))
		case key == "pow" && len(x) == 2:
			checkExponent(x[1], 4096)
			out.doubles(key, f.pow(x[0], x[1]))
		default:
			refuse("there is no function %s of %d such numbers", quoted(key), len(x))
		}
	}
}

func checkExponent(y, most float64) {
	if !(math.Abs(y) <= most && math.Floor(2*y) == 2*y) {
		refuse("an exponent is an integer or half-integer from %g to %g and not %g", -most, most, y)
	}
}

func randomVerb(in *request, out *reply) {
	f := in.functions()
	g := newGenerator(uint32(in.integer("seed", 0, math.MaxUint32)), f)
	for key, words := range in.rest() {
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
			out.line(key, draws(words[0], func() int {
				i, err := g.choice(weights)
				check(err)
				return i
			}))
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
	}
}

func draws[T any](count string, draw func() T) []T {
	drawn := make([]T, parseInteger(count, 0, 1000))
	for i := range drawn {
		drawn[i] = draw()
	}
	return drawn
}

// lines are those of a dataset.
func (in *request) lines() (lines []string) {
	for key, words := range in.rest() {
		if key != "line" {
			refuse("expected line and not %s", quoted(key))
		}
		lines = append(lines, parseText(words))
	}
	return lines
}

func tokensVerb(in *request, out *reply) {
	d, err := newDataset(in.lines())
	check(err)
	out.line("documents", len(d.documents))
	out.line("vocabulary", d.characters)
	out.line("bos", d.bos)
	for _, document := range d.documents {
		out.line("encoded", d.encode(document))
	}
}

func graphVerb(in *request, out *reply) {
	g := newGraph(in.functions())
	one := map[string]func(a value) value{"neg": g.neg, "exp": g.exp, "log": g.log, "relu": g.relu}
	two := map[string]func(a, b value) value{"add": g.add, "sub": g.sub, "mul": g.mul, "div": g.div}
	withNumber := map[string]func(a value, c float64) value{"pow": g.pow, "add_number": g.addNumber,
		"sub_number": g.subNumber, "mul_number": g.mulNumber, "div_number": g.divNumber}
	ofNumber := map[string]func(c float64, a value) value{"number_sub": g.numberSub, "number_div": g.numberDiv}
	var made []value
	earlier := func(word string) value { return made[parseInteger(word, 0, len(made)-1)] }
	for in.key() != "root" {
		var v value
		key, words := in.next()
		switch n := len(words); {
		case key == "leaf" && n == 1:
			v = g.leaf(parseDouble(words[0]))
		case key == "sum" && n > 0:
			v = g.sum(parse(words, earlier))
		case one[key] != nil && n == 1:
			v = one[key](earlier(words[0]))
		case two[key] != nil && n == 2:
			v = two[key](earlier(words[0]), earlier(words[1]))
		case withNumber[key] != nil && n == 2:
			c := parseDouble(words[1])
			if key == "pow" {
				checkExponent(c, 1024)
			}
			v = withNumber[key](earlier(words[0]), c)
		case ofNumber[key] != nil && n == 2:
			v = ofNumber[key](parseDouble(words[0]), earlier(words[1]))
		default:
			refuse("there is no expression %s of %d values", quoted(key), n)
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

func (in *request) config() (c config, f *functions) {
	f = in.functions()
	c.layers, c.heads = in.integer("layers", 1, 16), in.integer("heads", 1, 64)
	if c.embedding = in.integer("embedding", 1, 512); c.embedding%c.heads != 0 {
		refuse("embedding is a multiple of heads and %d is none of %d", c.embedding, c.heads)
	}
	c.block, c.vocabulary = in.integer("block", 1, 1024), in.integer("vocabulary", 2, 2048)
	c.squaredRelu = in.option("activation", "relu", "squared_relu") == "squared_relu"
	for t := range c.block {
		attended := parseIntegers(in.take("attend", 1, t+1), 0, t)
		if !increase(attended) || attended[len(attended)-1] != t {
			refuse("the positions of attend increase and end with %d", t)
		}
		c.attention = append(c.attention, attended)
	}
	return c, f
}

func increase(numbers []int) bool {
	return slices.IsSorted(numbers) && len(slices.Compact(slices.Clone(numbers))) == len(numbers)
}

func (in *request) document(c config) []int {
	return parseIntegers(in.take("tokens", 2, anyNumber), 0, c.vocabulary-1)
}

func (in *request) tensors(prefix string, c config) (numbers []float64) {
	for _, s := range c.shapes() {
		numbers = append(numbers, in.tensor(prefix+s.name, s.rows, s.columns)...)
	}
	return numbers
}

func (out *reply) tensors(prefix string, c config, numbers []float64) {
	for _, s := range c.shapes() {
		n := s.rows * s.columns
		out.tensor(prefix+s.name, s.columns, numbers[:n])
		numbers = numbers[n:]
	}
}

func forwardVerb(in *request, out *reply) {
	c, f := in.config()
	document := in.document(c)
	m := newModel(c, f, in.tensors("", c))
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
	c, f := in.config()
	document := in.document(c)
	m := newModel(c, f, in.tensors("", c))
	loss := m.loss(document)
	m.backward(loss)
	out.doubles("loss", m.data[loss])
	out.tensors("", c, m.parameterGradients())
}

func (in *request) optimizer() optimizer {
	return optimizer{
		learningRate: in.double("learning_rate"),
		beta1:        in.double("beta1"),
		beta2:        in.double("beta2"),
		epsilon:      in.double("epsilon"),
		cosine:       in.option("schedule", "linear", "cosine") == "cosine",
		steps:        in.integer("steps", 1, 4096),
	}
}

func adamVerb(in *request, out *reply) {
	f, o := in.functions(), in.optimizer()
	step := in.integer("step", 0, o.steps-1)
	var rows, columns int
	if n, _ := fmt.Sscanf((*in)[0], "tensor parameters %d %d", &rows, &columns); n < 2 || min(rows, columns) < 1 || max(rows, columns) > 2048 {
		refuse("expected the tensor parameters with 1 to 2048 rows and columns")
	}
	p, g := in.tensor("parameters", rows, columns), in.tensor("gradients", rows, columns)
	m, v := in.tensor("m", rows, columns), in.tensor("v", rows, columns)
	rate, correction1, correction2 := o.update(step, f, p, g, m, v)
	out.doubles("rate", rate)
	out.doubles("correction1", correction1)
	out.doubles("correction2", correction2)
	out.tensor("m", columns, m)
	out.tensor("v", columns, v)
	out.tensor("parameters", columns, p)
}

func trainVerb(in *request, out *reply) {
	c, f := in.config()
	o := in.optimizer()
	from := in.integer("from", 0, o.steps-1)
	to := from + in.integer("count", 1, o.steps-from)
	full := parseIntegers(in.take("full", 0, anyNumber), from, to-1)
	if !increase(full) {
		refuse("the steps of full increase")
	}
	documents := [][]int{in.document(c)}
	for in.key() == "tokens" {
		documents = append(documents, in.document(c))
	}
	t := newTraining(newModel(c, f, in.tensors("", c)), o)
	if t.step = from; from > 0 {
		t.m, t.v = in.tensors("m.", c), in.tensors("v.", c)
	}
	for t.step < to {
		step := t.step
		out.line("step", step)
		out.doubles("loss", t.advance(documents[step%len(documents)]))
		lists := [][]float64{t.parameterGradients(), t.m, t.v, t.parameters()}
		names := []string{"gradients", "m", "v", "parameters"}
		for i, name := range names {
			out.checksum(name, lists[i])
		}
		for i, name := range names {
			if slices.Contains(full, step) {
				out.tensors(name+".", c, lists[i])
			}
		}
	}
}

func sampleVerb(in *request, out *reply) {
	c, f := in.config()
	temperature := in.double("temperature")
	samples := in.integer("samples", 0, 1000)
	m := newModel(c, f, in.tensors("", c))
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
		check(m.sample(temperature, g, func(probabilities []float64, token int) {
			out.doubles("probabilities", probabilities...)
			out.line("token", token)
		}))
	}
	out.line("word", g.word())
}

func runVerb(in *request, out *reply) {
	g := newGenerator(42, in.functions())
	p := presets[in.option("preset", "seed", "classic")]
	p.steps, p.samples = in.integer("steps", 1, 4096), in.integer("samples", 0, 1000)
	t, err := p.run(in.lines(), g, func(format string, values ...any) {
		out.line("print", []rune(fmt.Sprintf(format, values...)))
	})
	check(err)
	out.checksum("parameters", t.parameters())
	out.checksum("m", t.m)
	out.checksum("v", t.v)
	out.line("word", g.word())
}
