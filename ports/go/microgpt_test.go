package main

// What the golden traces cannot show: that the operations on vectors are the graph of single numbers, that the quick
// phase of the exact functions never decides wrongly, and that training makes no garbage. And how fast it is:
//
//	go test -bench .

import (
	"math"
	"math/rand"
	"testing"
)

// ---------------------------------------------------------------- the model in single numbers

// plainModel builds the loss as SPEC.md, sections 5 to 7, defines it, node by node.
type plainModel struct {
	graph
	config
	matrices map[string][][]nodeID
	leaves   []nodeID // all parameters in their order
}

func newPlainModel(c config, parameters []float64) *plainModel {
	m := &plainModel{graph: graph{math: exactMath}, config: c, matrices: map[string][][]nodeID{}}
	for _, s := range c.shapes() {
		for range s.rows {
			var row []nodeID
			for range s.columns {
				row = append(row, m.leaf(parameters[len(m.leaves)+len(row)]))
			}
			m.matrices[s.name] = append(m.matrices[s.name], row)
			m.leaves = append(m.leaves, row...)
		}
	}
	return m
}

func (m *plainModel) dot(a, b []nodeID) nodeID {
	var products []nodeID
	for i := range a {
		products = append(products, m.mul(a[i], b[i]))
	}
	return m.sum(products)
}

func (m *plainModel) linear(name string, x []nodeID) (y []nodeID) {
	for _, row := range m.matrices[name] {
		y = append(y, m.dot(row, x))
	}
	return y
}

func (m *plainModel) addAll(a, b []nodeID) (y []nodeID) {
	for i := range a {
		y = append(y, m.add(a[i], b[i]))
	}
	return y
}

func (m *plainModel) rmsnorm(x []nodeID) (y []nodeID) {
	scale := m.pow(m.addNumber(m.divNumber(m.dot(x, x), float64(len(x))), 1e-5), -0.5)
	for _, xi := range x {
		y = append(y, m.mul(xi, scale))
	}
	return y
}

func (m *plainModel) softmax(x []nodeID) (y []nodeID) {
	top := m.value(x[0])
	for _, xi := range x {
		top = max(top, m.value(xi))
	}
	var exps []nodeID
	for _, xi := range x {
		exps = append(exps, m.exp(m.subNumber(xi, top)))
	}
	total := m.sum(exps)
	for _, e := range exps {
		y = append(y, m.div(e, total))
	}
	return y
}

func (m *plainModel) attend(t int, q []nodeID, keys, values [][]nodeID) (mixed []nodeID) {
	size := m.embedding / m.heads
	for from := 0; from < m.embedding; from += size {
		var scores []nodeID
		for _, s := range m.attention[t] {
			product := m.dot(q[from:from+size], keys[s][from:from+size])
			scores = append(scores, m.divNumber(product, math.Sqrt(float64(size))))
		}
		weights := m.softmax(scores)
		for j := from; j < from+size; j++ {
			var column []nodeID
			for _, s := range m.attention[t] {
				column = append(column, values[s][j])
			}
			mixed = append(mixed, m.dot(weights, column))
		}
	}
	return mixed
}

func (m *plainModel) activate(x []nodeID) (y []nodeID) {
	for _, xi := range x {
		a := m.relu(xi)
		if m.squaredRelu {
			a = m.pow(a, 2)
		}
		y = append(y, a)
	}
	return y
}

func (m *plainModel) loss(tokens []int) nodeID {
	n := min(m.block, len(tokens)-1)
	keys, values := make([][][]nodeID, m.layers), make([][][]nodeID, m.layers)
	var losses []nodeID
	for t := range n {
		x := m.rmsnorm(m.addAll(m.matrices["wte"][tokens[t]], m.matrices["wpe"][t]))
		for i := range m.layers {
			name := map[int]string{0: "layer0.", 1: "layer1.", 2: "layer2."}[i]
			norm := m.rmsnorm(x)
			q := m.linear(name+"attn_wq", norm)
			keys[i] = append(keys[i], m.linear(name+"attn_wk", norm))
			values[i] = append(values[i], m.linear(name+"attn_wv", norm))
			x = m.addAll(m.linear(name+"attn_wo", m.attend(t, q, keys[i], values[i])), x)
			hidden := m.linear(name+"mlp_fc1", m.rmsnorm(x))
			x = m.addAll(m.linear(name+"mlp_fc2", m.activate(hidden)), x)
		}
		probabilities := m.softmax(m.linear("lm_head", x))
		losses = append(losses, m.neg(m.log(probabilities[tokens[t+1]])))
	}
	return m.mulNumber(m.sum(losses), 1/float64(n))
}

// ---------------------------------------------------------------- the same bits

// randomModel attends to itself and to some earlier positions, often to none.
func randomModel(source *rand.Rand) (c config, parameters []float64, tokens []int) {
	c = config{
		layers:      1 + source.Intn(3),
		heads:       1 + source.Intn(3),
		block:       1 + source.Intn(5),
		vocabulary:  2 + source.Intn(6),
		squaredRelu: source.Intn(2) == 0,
	}
	c.embedding = c.heads * (1 + source.Intn(4))
	for t := range c.block {
		var attended []int
		for s := range t {
			if source.Intn(3) == 0 {
				attended = append(attended, s)
			}
		}
		c.attention = append(c.attention, append(attended, t))
	}
	for _, s := range c.shapes() {
		for range s.rows * s.columns {
			parameters = append(parameters, source.NormFloat64())
		}
	}
	for range 2 + source.Intn(6) {
		tokens = append(tokens, source.Intn(c.vocabulary))
	}
	return c, parameters, tokens
}

func same(a, b float64) bool { return pattern(a) == pattern(b) }

func TestVectorsHaveTheGradientsOfSingleNumbers(t *testing.T) {
	source := rand.New(rand.NewSource(1))
	for range 200 {
		c, parameters, tokens := randomModel(source)
		plain := newPlainModel(c, parameters)
		root := plain.loss(tokens)
		plain.graph.backward(root)

		m := newModel(c, exactMath, parameters)
		m.loss(tokens) // twice, since positions are used again
		loss := m.loss(tokens)
		m.backward(tokens)
		if !same(loss, plain.value(root)) {
			t.Fatalf("%+v: the loss of %v is %v and should be %v", c, tokens, loss, plain.value(root))
		}
		for i, leaf := range plain.leaves {
			if wanted, got := plain.nodes[leaf].gradient, m.parameters.gradient[i]; !same(wanted, got) {
				t.Fatalf("%+v: the gradient of parameter %d for %v is %v and should be %v", c, i, tokens, got, wanted)
			}
		}
	}
}

func TestQuickPhaseDecidesLikeTheAccuratePhase(t *testing.T) {
	source := rand.New(rand.NewSource(1))
	sign := func(x float64) float64 { return math.Copysign(x, source.Float64()-0.5) }
	for range 3000 {
		small := math.Ldexp(1+source.Float64(), -source.Intn(60))
		check := func(function string, x, got, wanted float64) {
			if !same(got, wanted) {
				t.Errorf("%s of %v is %v and should be %v", function, x, got, wanted)
			}
		}
		for _, x := range []float64{sign(8 * small), -745.5 + 1455*source.Float64(), -708 - 38*source.Float64()} {
			check("exp", x, exactExp(x), accurateExp(x))
		}
		anySize := math.Ldexp(source.Float64(), source.Intn(2000)-1060)
		for _, x := range []float64{source.Float64(), 1 + small/2, 1 - small/4, anySize} {
			check("log", x, exactLog(x), accurateLog(x))
		}
		nearQuarter := math.Pi/2*float64(1+source.Intn(4)) + sign(small/16)
		for _, x := range []float64{sign(4 * small), sign(8 * source.Float64()), nearQuarter} {
			check("sin", x, exactSin(x), accurateSine(x, 0))
			check("cos", x, exactCos(x), accurateSine(x, 1))
		}
		twice := source.Intn(120) - 60
		for _, x := range []float64{source.Float64(), 16 * source.Float64(), small, 1 / small} {
			check("pow", x, exactPow(x, float64(twice)/2), accuratePow(x, twice))
		}
	}
}

// ---------------------------------------------------------------- garbage and speed

// newTestRun has names of about six letters.
func newTestRun(tb testing.TB, presetName string) *run {
	tb.Helper()
	source := rand.New(rand.NewSource(1))
	names := make([]string, 1000)
	for i := range names {
		name := make([]byte, 3+source.Intn(7))
		for j := range name {
			name[j] = byte('a' + source.Intn(26))
		}
		names[i] = string(name)
	}
	p, _ := presetNamed(presetName)
	p.steps = math.MaxInt32
	r, err := newRun(p, names, exactMath)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestTrainingMakesNoGarbage(t *testing.T) {
	for _, name := range []string{"seed", "classic"} {
		r := newTestRun(t, name)
		for range 100 { // by then all positions have been made
			r.advanceOnDocument()
		}
		// Now and then the accurate phase has to decide, and it does allocate.
		if allocations := testing.AllocsPerRun(1000, func() { r.advanceOnDocument() }); allocations > 1 {
			t.Errorf("a step of %s allocates %v times", name, allocations)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	for _, name := range []string{"seed", "classic"} {
		b.Run(name, func(b *testing.B) {
			r := newTestRun(b, name)
			for range b.N {
				r.advanceOnDocument()
			}
		})
	}
}

var sink float64

func BenchmarkFunction(b *testing.B) {
	power := func(y float64) func(float64) float64 {
		return func(x float64) float64 { return exactPow(x, y) }
	}
	for _, c := range []struct {
		name      string
		low, high float64
		compute   func(float64) float64
	}{
		{"exp", -20, 0, exactExp},
		{"log", 0, 1, exactLog},
		{"sin", 0, 2 * math.Pi, exactSin},
		{"cos", 0, 2 * math.Pi, exactCos},
		{"pow-0.5", 0, 4, power(-0.5)},
		{"pow-2", 1, 27, power(-2)},
		{"pow500", 0.8, 1, power(500)},
		{"accurateExp", -20, 0, accurateExp},
		{"accurateLog", 0, 1, accurateLog},
	} {
		b.Run(c.name, func(b *testing.B) {
			source := rand.New(rand.NewSource(1))
			inputs := make([]float64, 1<<12)
			for i := range inputs {
				inputs[i] = c.low + source.Float64()*(c.high-c.low)
			}
			b.ResetTimer()
			for i := range b.N {
				sink += c.compute(inputs[i%len(inputs)])
			}
		})
	}
}
