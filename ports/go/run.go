package main

// A whole run (SPEC.md, section 10): from a dataset and the number 42 to samples of new text.

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

const runSeed = 42

type preset struct {
	config // but for the vocabulary, which the dataset decides
	optimizer
	sigma, outputSigma float64 // of the parameters, and of attn_wo and mlp_fc2
	temperature        float64
	samples            int
}

func presetNamed(name string) (preset, bool) {
	switch name {
	case "seed":
		return preset{
			config:      config{layers: 1, heads: 4, embedding: 16, block: 8, squaredRelu: true, attention: causal(8)},
			optimizer:   optimizer{0.01, 0.9, 0.95, 1e-8, true, 500},
			sigma:       0.02,
			outputSigma: 0,
			temperature: 0.5,
			samples:     20,
		}, true
	case "classic":
		return preset{
			config:      config{layers: 1, heads: 4, embedding: 16, block: 16, attention: causal(16)},
			optimizer:   optimizer{0.01, 0.85, 0.99, 1e-8, false, 1000},
			sigma:       0.08,
			outputSigma: 0.08,
			temperature: 0.5,
			samples:     20,
		}, true
	}
	return preset{}, false
}

// run has one stream of random numbers for everything.
type run struct {
	*training
	preset    preset
	generator *generator
	documents []string
	tokenizer *tokenizer
	tokens    []int // of the present document
}

var errNoDocuments = errors.New("the dataset has no documents because every line is empty")

func newRun(p preset, lines []string, f *functions) (*run, error) {
	r := &run{preset: p, generator: newGenerator(runSeed, f), documents: documentsOf(lines)}
	if len(r.documents) == 0 {
		return nil, errNoDocuments
	}
	shuffle(r.generator, r.documents)
	r.tokenizer = newTokenizer(r.documents)
	p.vocabulary = r.tokenizer.vocabulary()
	r.training = newTraining(newModel(p.config, f, r.drawParameters(p)), p.optimizer)
	return r, nil
}

// drawParameters draws those of sigma 0, too: the stream goes on all the same.
func (r *run) drawParameters(p preset) []float64 {
	var parameters []float64
	for _, s := range p.shapes() {
		sigma := p.sigma
		if strings.HasSuffix(s.name, "attn_wo") || strings.HasSuffix(s.name, "mlp_fc2") {
			sigma = p.outputSigma
		}
		for range s.rows * s.columns {
			parameters = append(parameters, r.generator.gauss(sigma))
		}
	}
	return parameters
}

// text does it all, and prints line by line. An error comes from print, or from probabilities that are not finite.
func (r *run) text(print func(line string) error) error {
	if err := r.printTraining(print); err != nil {
		return err
	}
	for _, line := range []string{"", "--- inference (new, hallucinated names) ---"} {
		if err := print(line); err != nil {
			return err
		}
	}
	for i := range r.preset.samples {
		sample, err := r.sampleText()
		if err != nil {
			return fmt.Errorf("sample %d: %w", i+1, err)
		}
		if err := print(fmt.Sprintf("sample %2d: %s", i+1, sample)); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) printTraining(print func(line string) error) error {
	for _, line := range []string{
		fmt.Sprintf("num docs: %d", len(r.documents)),
		fmt.Sprintf("vocab size: %d", r.vocabulary),
		fmt.Sprintf("num params: %d", len(r.parameters.data)),
	} {
		if err := print(line); err != nil {
			return err
		}
	}
	for r.step < r.steps {
		loss := r.advanceOnDocument()
		if err := print(fmt.Sprintf("step %4d / %4d | loss %s", r.step, r.steps, fourDecimals(loss))); err != nil {
			return err
		}
	}
	return nil
}

// advanceOnDocument takes one step on the document whose turn it is.
func (r *run) advanceOnDocument() (loss float64) {
	r.tokens = r.tokenizer.encode(r.tokens[:0], r.documents[r.step%len(r.documents)])
	return r.advance(r.tokens)
}

func (r *run) sampleText() (string, error) {
	var tokens []int
	err := r.sample(r.preset.temperature, r.generator, func(_ []float64, token int) {
		if token != r.tokenizer.bos() {
			tokens = append(tokens, token)
		}
	})
	return r.tokenizer.decode(tokens), err
}

func fourDecimals(x float64) string {
	switch {
	case x != x:
		return "nan"
	case math.IsInf(x, 0):
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(x, 'f', 4, 64)), "+")
	}
	return strconv.FormatFloat(x, 'f', 4, 64)
}
