package main

// The verbs without a model: hello, arith, math, random, tokens, graph.

import (
	"fmt"
	"math"
)

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

func readMath(in *request) *functions {
	if in.choice("math", "exact", "native") == "native" {
		return nativeMath
	}
	return exactMath
}

// ---------------------------------------------------------------- random numbers

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

// ---------------------------------------------------------------- text

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
