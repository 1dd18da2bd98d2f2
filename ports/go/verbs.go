package main

// The twelve verbs of the protocol (SPEC.md, section 12), which are also the levels of the ladder. How requests are
// read stands in wire.go, what the answers are in the other files.

import (
	"bufio"
	"fmt"
	"io"
	"math"
)

type verb struct {
	name string
	// perform reads the rest of a request, and writes the reply but for its first and last line.
	perform func(in *request, out *reply) error
}

func verbs() []verb {
	return []verb{
		{"hello", helloVerb},
		{"arith", arithVerb},
		{"math", mathVerb},
		{"random", randomVerb},
		{"tokens", tokensVerb},
		{"graph", graphVerb},
		{"forward", forwardVerb},
		{"backward", backwardVerb},
		{"adam", adamVerb},
		{"train", trainVerb},
		{"sample", sampleVerb},
		{"run", runVerb},
	}
}

// serve answers requests until the input ends.
func serve(input io.Reader, output io.Writer) error {
	in, out, writer := newRequest(input), &reply{}, bufio.NewWriter(output)
	for in.begin() {
		out.text = out.text[:0]
		if id, err := answer(in, out); err == nil {
			fmt.Fprintf(writer, "ok %s\n%send\n", id, out.text)
		} else {
			fmt.Fprintf(writer, "error %s %s\nend\n", id, err)
		}
		if err := writer.Flush(); err != nil {
			return fmt.Errorf("cannot write the reply: %w", err)
		}
	}
	return in.broken
}

func answer(in *request, out *reply) (id string, err error) {
	name, id := in.header()
	if in.err == nil {
		err = perform(name, in, out)
	}
	in.skip()
	if in.err != nil {
		return id, in.err
	}
	return id, err
}

func perform(name string, in *request, out *reply) error {
	for _, v := range verbs() {
		if v.name == name {
			return v.perform(in, out)
		}
	}
	return errUnsupported
}

// ---------------------------------------------------------------- lines that several verbs share

func readMath(in *request) *functions {
	if in.choice("math", "exact", "native") == "native" {
		return nativeMath
	}
	return exactMath
}

func readConfig(in *request) (config, *functions) {
	f := readMath(in)
	c := config{
		layers:    in.integer("layers", 1, 16),
		heads:     in.integer("heads", 1, 64),
		embedding: in.integer("embedding", 1, 512),
	}
	if c.embedding%c.heads != 0 {
		in.failf("embedding is a multiple of heads and %d is none of %d", c.embedding, c.heads)
	}
	c.block = in.integer("block", 1, 1024)
	c.vocabulary = in.integer("vocabulary", 2, 2048)
	c.squaredRelu = in.choice("activation", "relu", "squared_relu") == "squared_relu"
	for t := 0; t < c.block && in.err == nil; t++ {
		c.attention = append(c.attention, readAttend(in, t))
	}
	return c, f
}

// readAttend reads the positions to which t attends. They increase, and the last is t.
func readAttend(in *request, t int) []int {
	attended := in.integers("attend", 1, t+1, 0, t)
	for i, s := range attended {
		if i > 0 && s <= attended[i-1] {
			in.failf("the positions of attend increase and %d follows %d", s, attended[i-1])
		}
	}
	if in.err == nil && attended[len(attended)-1] != t {
		in.failf("attend number %d ends with itself and not with %d", t, attended[len(attended)-1])
	}
	return attended
}

func readTensors(in *request, c config, prefix string) []float64 {
	var numbers []float64
	for _, s := range c.shapes() {
		numbers = in.tensor(numbers, prefix+s.name, s.rows, s.columns)
	}
	return numbers
}

func readDocument(in *request, c config) []int {
	return in.integers("tokens", 2, anyNumber, 0, c.vocabulary-1)
}

func readOptimizer(in *request) optimizer {
	return optimizer{
		learningRate: in.double("learning_rate"),
		beta1:        in.double("beta1"),
		beta2:        in.double("beta2"),
		epsilon:      in.double("epsilon"),
		cosine:       in.choice("schedule", "linear", "cosine") == "cosine",
		steps:        in.integer("steps", 1, 4096),
	}
}

// readLines reads the lines of a dataset, one or more.
func readLines(in *request) []string {
	lines := []string{in.text("line")}
	for in.more() {
		lines = append(lines, in.text("line"))
	}
	return lines
}

func checkVocabulary(t *tokenizer) error {
	if most := 2047; len(t.characters) > most {
		return fmt.Errorf("the documents have %d distinct characters and %d are the most", len(t.characters), most)
	}
	return nil
}

// ---------------------------------------------------------------- numbers

func helloVerb(in *request, out *reply) error {
	if err := in.finish(); err != nil {
		return err
	}
	var names []string
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	out.words("name", "go")
	out.integers("protocol", 1)
	out.words("verbs", names...)
	out.words("math", "exact", "native")
	return nil
}

type arithmetic struct {
	operands int
	compute  func(x []float64) float64
}

var arithmetics = map[string]arithmetic{
	"add":    {2, func(x []float64) float64 { return x[0] + x[1] }},
	"sub":    {2, func(x []float64) float64 { return x[0] - x[1] }},
	"mul":    {2, func(x []float64) float64 { return x[0] * x[1] }},
	"div":    {2, func(x []float64) float64 { return x[0] / x[1] }},
	"sqrt":   {1, func(x []float64) float64 { return math.Sqrt(x[0]) }},
	"muladd": {3, func(x []float64) float64 { return float64(x[0]*x[1]) + x[2] }},
}

func arithVerb(in *request, out *reply) error {
	for more := true; more; more = in.more() {
		key := in.key()
		switch a, known := arithmetics[key]; {
		case known:
			if x := in.doubles(key, a.operands, a.operands); in.err == nil {
				out.doubles(key, a.compute(x))
			}
		case key == "sum":
			sum := 0.0
			for _, x := range in.doubles(key, 1, anyNumber) {
				sum += x
			}
			out.doubles(key, sum)
		case key == "dot":
			out.doubles(key, dotOfPairs(in, in.doubles(key, 2, anyNumber)))
		default:
			in.unexpected("one of add sub mul div sqrt muladd sum dot")
		}
	}
	return in.finish()
}

func dotOfPairs(in *request, numbers []float64) float64 {
	if len(numbers)%2 != 0 {
		in.failf("dot takes pairs of numbers and not %d numbers", len(numbers))
		return 0
	}
	sum := 0.0
	for ; len(numbers) > 0; numbers = numbers[2:] {
		sum += float64(numbers[0] * numbers[1])
	}
	return sum
}

func mathVerb(in *request, out *reply) error {
	f := readMath(in)
	unary := map[string]func(float64) float64{"exp": f.exp, "log": f.log, "sin": f.sin, "cos": f.cos}
	for more := true; more; more = in.more() {
		key := in.key()
		switch compute, known := unary[key]; {
		case known:
			x := in.double(key)
			if (key == "sin" || key == "cos") && math.Abs(x) > 8 {
				in.failf("%s takes numbers from -8 to 8 and not %g", key, x)
			}
			out.doubles(key, compute(x))
		case key == "pow":
			if x := in.doubles(key, 2, 2); in.err == nil && checkExponent(in, x[1], 4096) {
				out.doubles(key, f.pow(x[0], x[1]))
			}
		default:
			in.unexpected("one of exp log sin cos pow")
		}
	}
	return in.finish()
}

// checkExponent fails if y is no integer or half-integer, or too far from 0.
func checkExponent(in *request, y, most float64) bool {
	right := math.Abs(y) <= most && math.Floor(2*y) == 2*y
	if !right {
		in.failf("an exponent is an integer or half-integer from %g to %g and not %g", -most, most, y)
	}
	return right
}

// ---------------------------------------------------------------- random numbers and text

func randomVerb(in *request, out *reply) error {
	f := readMath(in)
	var g *generator
	for _, seed := range in.values("seed", 1, 1) {
		g = newGenerator(in.parseWord32(seed), f)
	}
	for more := true; more; more = in.more() {
		if err := drawLine(in, out, g); err != nil {
			return err
		}
	}
	return in.finish()
}

func drawLine(in *request, out *reply, g *generator) error {
	key := in.key()
	out.begin(key)
	switch key {
	case "words":
		n, _ := readDraws(in, key, 0, 0)
		for range n {
			out.integer(int64(g.word()))
		}
	case "random":
		n, _ := readDraws(in, key, 0, 0)
		for range n {
			out.double(g.random())
		}
	case "gauss":
		n, sigma := readDraws(in, key, 1, 1)
		for range n {
			out.double(g.gauss(sigma[0]))
		}
	case "shuffle":
		for _, item := range shuffled(g, in.integer(key, 0, 10000)) {
			out.integer(int64(item))
		}
	case "choices":
		n, weights := readDraws(in, key, 1, 1000)
		for range n {
			i, err := g.choice(weights)
			if err != nil {
				return err
			}
			out.integer(int64(i))
		}
	case "state":
		if in.values(key, 0, 0); in.err == nil {
			writeState(out, g)
		}
	default:
		in.unexpected("one of words random gauss shuffle choices state")
	}
	out.end()
	return nil
}

// readDraws reads a line with a number of draws, and as many numbers after it. The number of draws is 0 if anything
// is wrong.
func readDraws(in *request, key string, least, most int) (draws int, numbers []float64) {
	words := in.values(key, least+1, most+1)
	if words == nil {
		return 0, nil
	}
	draws = in.parseIndex(words[0], 0, 1000)
	numbers = in.appendDoubles(nil, words[1:])
	if in.err != nil {
		return 0, nil
	}
	return draws, numbers
}

func shuffled(g *generator, n int) []int {
	items := make([]int, n)
	for i := range items {
		items[i] = i
	}
	shuffle(g, items)
	return items
}

func writeState(out *reply, g *generator) {
	out.integer(int64(g.index))
	for _, word := range g.words {
		out.integer(int64(word))
	}
	out.end()
	out.begin("kept")
	if g.hasKept {
		out.double(g.kept)
	} else {
		out.word("none")
	}
}

func tokensVerb(in *request, out *reply) error {
	lines := readLines(in)
	if err := in.finish(); err != nil {
		return err
	}
	documents := documentsOf(lines)
	if len(documents) == 0 {
		return errNoDocuments
	}
	t := newTokenizer(documents)
	if err := checkVocabulary(t); err != nil {
		return err
	}
	out.integers("documents", len(documents))
	out.codePoints("vocabulary", string(t.characters))
	out.integers("bos", t.bos())
	for _, document := range documents {
		out.integers("encoded", t.encode(nil, document)...)
	}
	return nil
}

// ---------------------------------------------------------------- graphs

// expression is a line of `graph`: how many earlier expressions it takes, then how many plain numbers, and what it
// makes of them.
type expression struct {
	least, most, numbers int
	build                func(g *graph, a []nodeID, c float64) nodeID
}

func ofOne(build func(*graph, nodeID) nodeID) expression {
	return expression{1, 1, 0, func(g *graph, a []nodeID, _ float64) nodeID { return build(g, a[0]) }}
}

func ofTwo(build func(_ *graph, _, _ nodeID) nodeID) expression {
	return expression{2, 2, 0, func(g *graph, a []nodeID, _ float64) nodeID { return build(g, a[0], a[1]) }}
}

func ofOneAndNumber(build func(*graph, nodeID, float64) nodeID) expression {
	return expression{1, 1, 1, func(g *graph, a []nodeID, c float64) nodeID { return build(g, a[0], c) }}
}

var expressions = map[string]expression{
	"leaf":       {0, 0, 1, func(g *graph, _ []nodeID, c float64) nodeID { return g.leaf(c) }},
	"sum":        {1, anyNumber, 0, func(g *graph, a []nodeID, _ float64) nodeID { return g.sum(a) }},
	"add":        ofTwo((*graph).add),
	"sub":        ofTwo((*graph).sub),
	"mul":        ofTwo((*graph).mul),
	"div":        ofTwo((*graph).div),
	"neg":        ofOne((*graph).neg),
	"exp":        ofOne((*graph).exp),
	"log":        ofOne((*graph).log),
	"relu":       ofOne((*graph).relu),
	"pow":        ofOneAndNumber((*graph).pow),
	"add_number": ofOneAndNumber((*graph).addNumber),
	"sub_number": ofOneAndNumber((*graph).subNumber),
	"mul_number": ofOneAndNumber((*graph).mulNumber),
	"div_number": ofOneAndNumber((*graph).divNumber),
	"number_sub": ofOneAndNumber((*graph).numberSub),
	"number_div": ofOneAndNumber((*graph).numberDiv),
}

func graphVerb(in *request, out *reply) error {
	g := &graph{math: readMath(in)}
	var made []nodeID
	for in.err == nil && in.key() != "root" {
		made = append(made, readExpression(in, g, made))
	}
	root := in.integer("root", 0, len(made)-1)
	if err := in.finish(); err != nil {
		return err
	}
	g.backward(made[root])
	for _, id := range made {
		out.doubles("value", g.nodes[id].value)
	}
	for _, id := range made {
		out.doubles("gradient", g.nodes[id].gradient)
	}
	return nil
}

// readExpression returns the node of the next line. made are those of the lines before.
func readExpression(in *request, g *graph, made []nodeID) nodeID {
	key := in.key()
	e, known := expressions[key]
	switch {
	case !known:
		in.unexpected("an expression or root")
	case len(made) == 0 && key != "leaf":
		in.unexpected("leaf as the first expression")
	}
	words := in.values(key, e.least+e.numbers, max(e.most, e.most+e.numbers))
	nodes := make([]nodeID, 0, len(words))
	c := 0.0
	for i, word := range words {
		if i < len(words)-e.numbers {
			nodes = append(nodes, made[in.parseIndex(word, 0, len(made)-1)])
		} else {
			c = in.parseDouble(word)
		}
	}
	if key == "pow" {
		checkExponent(in, c, 1024)
	}
	if in.err != nil {
		return noNode
	}
	return e.build(g, nodes, c)
}

// ---------------------------------------------------------------- the model

func forwardVerb(in *request, out *reply) error {
	c, f := readConfig(in)
	document := readDocument(in, c)
	parameters := readTensors(in, c, "")
	if err := in.finish(); err != nil {
		return err
	}
	m := newModel(c, f, parameters)
	loss := m.loss(document)
	for t, p := range m.positionsOf(document) {
		for _, a := range p.activations {
			out.tensor(fmt.Sprintf("pos%d.%s", t, a.name), len(a.numbers), a.numbers)
		}
		out.tensor(fmt.Sprintf("pos%d.probabilities", t), c.vocabulary, p.crossEntropy.probabilities())
		out.tensor(fmt.Sprintf("pos%d.loss", t), 1, []float64{p.crossEntropy.loss})
	}
	out.doubles("loss", loss)
	return nil
}

func backwardVerb(in *request, out *reply) error {
	c, f := readConfig(in)
	document := readDocument(in, c)
	parameters := readTensors(in, c, "")
	if err := in.finish(); err != nil {
		return err
	}
	m := newModel(c, f, parameters)
	out.doubles("loss", m.loss(document))
	m.backward(document)
	writeTensors(out, c, "", m.parameters.gradient)
	return nil
}

func writeTensors(out *reply, c config, prefix string, numbers []float64) {
	for _, s := range c.shapes() {
		size := s.rows * s.columns
		out.tensor(prefix+s.name, s.columns, numbers[:size])
		numbers = numbers[size:]
	}
}

func adamVerb(in *request, out *reply) error {
	f, o := readMath(in), readOptimizer(in)
	step := in.integer("step", 0, o.steps-1)
	rows, columns := in.shape()
	p := in.tensor(nil, "parameters", rows, columns)
	g := in.tensor(nil, "gradients", rows, columns)
	m := in.tensor(nil, "m", rows, columns)
	v := in.tensor(nil, "v", rows, columns)
	if err := in.finish(); err != nil {
		return err
	}
	o.update(step, f, p, g, m, v)
	correction1, correction2 := o.corrections(step, f)
	out.doubles("rate", o.rate(step, f))
	out.doubles("correction1", correction1)
	out.doubles("correction2", correction2)
	out.tensor("m", columns, m)
	out.tensor("v", columns, v)
	out.tensor("parameters", columns, p)
	return nil
}

func trainVerb(in *request, out *reply) error {
	c, f := readConfig(in)
	o := readOptimizer(in)
	from := in.integer("from", 0, o.steps-1)
	count := in.integer("count", 1, o.steps-from)
	full := readFull(in, from, count)
	documents := [][]int{readDocument(in, c)}
	for in.key() == "tokens" {
		documents = append(documents, readDocument(in, c))
	}
	parameters := readTensors(in, c, "")
	var m, v []float64
	if from > 0 {
		m, v = readTensors(in, c, "m."), readTensors(in, c, "v.")
	}
	if err := in.finish(); err != nil {
		return err
	}
	t := newTraining(newModel(c, f, parameters), o)
	if from > 0 {
		t.step, t.m, t.v = from, m, v
	}
	for t.step < from+count {
		step := t.step
		loss := t.advance(documents[step%len(documents)])
		writeStep(out, t, step, loss, full[step])
	}
	return nil
}

// readFull reads the numbers of the steps for which whole tensors are wanted. They increase.
func readFull(in *request, from, count int) map[int]bool {
	full, before := map[int]bool{}, -1
	for _, step := range in.integers("full", 0, anyNumber, from, from+count-1) {
		if step <= before {
			in.failf("the steps of full increase and %d follows %d", step, before)
		}
		full[step], before = true, step
	}
	return full
}

func writeStep(out *reply, t *training, step int, loss float64, full bool) {
	lists := []struct {
		name    string
		numbers []float64
	}{{"gradients", t.parameters.gradient}, {"m", t.m}, {"v", t.v}, {"parameters", t.parameters.data}}
	out.integers("step", step)
	out.doubles("loss", loss)
	for _, list := range lists {
		out.checksum(list.name, list.numbers)
	}
	for _, list := range lists {
		if full {
			writeTensors(out, t.config, list.name+".", list.numbers)
		}
	}
}

func sampleVerb(in *request, out *reply) error {
	c, f := readConfig(in)
	temperature := in.double("temperature")
	samples := in.integer("samples", 0, 1000)
	parameters := readTensors(in, c, "")
	g := readGenerator(in, f)
	if err := in.finish(); err != nil {
		return err
	}
	m := newModel(c, f, parameters)
	for i := range samples {
		out.integers("sample", i)
		if err := m.sample(temperature, g, func(probabilities []float64, token int) {
			out.doubles("probabilities", probabilities...)
			out.integers("token", token)
		}); err != nil {
			return fmt.Errorf("sample %d: %w", i, err)
		}
	}
	out.begin("word")
	out.integer(int64(g.word()))
	out.end()
	return nil
}

func readGenerator(in *request, f *functions) *generator {
	g := &generator{math: f}
	for i, word := range in.values("state", 1+stateWords, 1+stateWords) {
		if i == 0 {
			g.index = in.parseIndex(word, 0, stateWords)
		} else {
			g.words[i-1] = in.parseWord32(word)
		}
	}
	for _, word := range in.values("kept", 1, 1) {
		if string(word) != "none" {
			g.kept, g.hasKept = in.parseDouble(word), true
		}
	}
	return g
}

func runVerb(in *request, out *reply) error {
	f := readMath(in)
	p, _ := presetNamed(in.choice("preset", "seed", "classic"))
	p.steps = in.integer("steps", 1, 4096)
	p.samples = in.integer("samples", 0, 1000)
	lines := readLines(in)
	if err := in.finish(); err != nil {
		return err
	}
	r, err := newRun(p, lines, f)
	if err != nil {
		return err
	}
	if err := checkVocabulary(r.tokenizer); err != nil {
		return err
	}
	if err := r.text(func(line string) error { out.codePoints("print", line); return nil }); err != nil {
		return err
	}
	out.checksum("parameters", r.parameters.data)
	out.checksum("m", r.m)
	out.checksum("v", r.v)
	out.begin("word")
	out.integer(int64(r.generator.word()))
	out.end()
	return nil
}
