//! The shape of a model: its sizes, its attention table and its parameter matrices. SPEC.md, section 6.

use std::ops::Range;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    Relu,
    SquaredRelu,
}

impl Activation {
    pub const ALL: [(&'static str, Activation); 2] =
        [("relu", Activation::Relu), ("squared_relu", Activation::SquaredRelu)];
}

pub struct Config {
    pub layers: usize,
    pub heads: usize,
    pub embedding: usize,
    pub block: usize,
    pub vocabulary: usize,
    pub activation: Activation,
    /// For each position those that it attends to, in increasing order, itself last.
    pub attention: Vec<Vec<usize>>,
}

/// A parameter matrix: its name, its shape, and its place in the list of all parameters, where it stands row
/// by row.
pub struct Matrix {
    pub name: String,
    pub rows: usize,
    pub columns: usize,
    pub place: Range<usize>,
}

/// Where the matrices come in `Config::matrices`. `in_layer` finds those of a layer.
pub const WTE: usize = 0;
pub const WPE: usize = 1;
pub const LM_HEAD: usize = 2;

#[derive(Clone, Copy)]
pub enum InLayer {
    Wq,
    Wk,
    Wv,
    Wo,
    Fc1,
    Fc2,
}

pub fn in_layer(layer: usize, matrix: InLayer) -> usize {
    LM_HEAD + 1 + 6 * layer + matrix as usize
}

impl Config {
    /// Every position attends to all up to itself.
    pub fn causal_attention(block: usize) -> Vec<Vec<usize>> {
        (0..block).map(|position| (0..=position).collect()).collect()
    }

    pub fn head_size(&self) -> usize {
        self.embedding / self.heads
    }

    /// All parameter matrices, in order.
    pub fn matrices(&self) -> Vec<Matrix> {
        let e = self.embedding;
        let outer = [("wte", self.vocabulary, e), ("wpe", self.block, e), ("lm_head", self.vocabulary, e)]
            .map(|(name, rows, columns)| (name.to_string(), rows, columns));
        let layers = (0..self.layers).flat_map(|i| {
            [
                ("attn_wq", e, e),
                ("attn_wk", e, e),
                ("attn_wv", e, e),
                ("attn_wo", e, e),
                ("mlp_fc1", 4 * e, e),
                ("mlp_fc2", e, 4 * e),
            ]
            .map(|(name, rows, columns)| (format!("layer{i}.{name}"), rows, columns))
        });
        outer
            .into_iter()
            .chain(layers)
            .scan(0, |start, (name, rows, columns)| {
                let place = *start..*start + rows * columns;
                *start = place.end;
                Some(Matrix { name, rows, columns, place })
            })
            .collect()
    }
}
