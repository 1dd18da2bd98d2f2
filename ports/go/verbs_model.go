package main

// The verbs with a model, or a part of it: forward, backward, adam, train, sample, run.

import "fmt"

// ---------------------------------------------------------------- lines that several verbs share

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

// ---------------------------------------------------------------- the verbs

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
