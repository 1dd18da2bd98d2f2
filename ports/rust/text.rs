//! Datasets and tokens: which lines are documents, and which number each of their characters has. SPEC.md,
//! section 4.

use std::collections::BTreeSet;

/// The stripped lines that are not empty. White space is that of ASCII only.
pub fn documents_of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let white_space = |c| matches!(c, '\t'..='\r' | ' ');
    lines.into_iter().map(|line| line.trim_matches(white_space)).filter(|line| !line.is_empty()).collect()
}

/// Each distinct character is a token, in the order of the code points. One more token, BOS, stands on both
/// sides of a document.
pub struct Tokenizer {
    characters: Vec<char>,
}

impl Tokenizer {
    pub fn of(documents: &[&str]) -> Tokenizer {
        let distinct: BTreeSet<char> = documents.iter().flat_map(|document| document.chars()).collect();
        Tokenizer { characters: distinct.into_iter().collect() }
    }

    pub fn characters(&self) -> &[char] {
        &self.characters
    }

    pub fn bos(&self) -> usize {
        self.characters.len()
    }

    pub fn vocabulary(&self) -> usize {
        self.characters.len() + 1
    }

    /// The tokens of a document all of whose characters are known.
    pub fn encode(&self, document: &str) -> Vec<usize> {
        let known = document.chars().filter_map(|c| self.characters.binary_search(&c).ok());
        std::iter::once(self.bos()).chain(known).chain([self.bos()]).collect()
    }

    pub fn decode(&self, tokens: &[usize]) -> String {
        tokens.iter().map(|&token| self.characters[token]).collect()
    }
}
