package main

// Text and tokens (SPEC.md, section 4).

import (
	"slices"
	"strings"
)

// documentsOf are the stripped lines that are not empty.
func documentsOf(lines []string) []string {
	var documents []string
	for _, line := range lines {
		if document := strings.Trim(line, "\t\n\v\f\r "); document != "" {
			documents = append(documents, document)
		}
	}
	return documents
}

// tokenizer numbers the distinct characters of all documents, by code point. One more token, BOS, stands on both
// sides of a document.
type tokenizer struct {
	characters []rune
	token      map[rune]int
}

func newTokenizer(documents []string) *tokenizer {
	t := &tokenizer{token: map[rune]int{}}
	for _, document := range documents {
		for _, character := range document {
			if _, known := t.token[character]; !known {
				t.token[character] = 0
				t.characters = append(t.characters, character)
			}
		}
	}
	slices.Sort(t.characters)
	for token, character := range t.characters {
		t.token[character] = token
	}
	return t
}

func (t *tokenizer) bos() int        { return len(t.characters) }
func (t *tokenizer) vocabulary() int { return len(t.characters) + 1 }

// encode appends the tokens of the document, BOS at both ends.
func (t *tokenizer) encode(tokens []int, document string) []int {
	tokens = append(tokens, t.bos())
	for _, character := range document {
		tokens = append(tokens, t.token[character])
	}
	return append(tokens, t.bos())
}

func (t *tokenizer) decode(tokens []int) string {
	var text strings.Builder
	for _, token := range tokens {
		text.WriteRune(t.characters[token])
	}
	return text.String()
}
