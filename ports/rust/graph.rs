//! Automatic differentiation (SPEC.md, section 5): an arena of nodes with values, children and local gradients, and the
//! walk back. The same one answers `graph` and trains the model. Nodes stand in flat arrays that are used again, so
//! that no step allocates. A dot product or a sum over vectors is a single node ("Taking nodes together").

use std::ops::Range;

use crate::exact;

/// The functions that IEEE 754 does not fix: exact ones or the language's own.
pub struct Math {
    pub exp: fn(f64) -> f64,
    pub log: fn(f64) -> f64,
    pub sin: fn(f64) -> f64,
    pub cos: fn(f64) -> f64,
    pub pow: fn(f64, f64) -> f64,
}

pub static EXACT: Math = Math { exp: exact::exp, log: exact::log, sin: exact::sin, cos: exact::cos, pow: exact::pow };
pub static NATIVE: Math = Math { exp: f64::exp, log: f64::ln, sin: f64::sin, cos: f64::cos, pow: f64::powf };

/// A place in the arena.
pub type Node = usize;

/// Consecutive nodes.
#[derive(Clone, Copy)]
pub struct Vector {
    pub first: Node,
    pub length: usize,
}

impl Vector {
    pub fn nodes(self) -> Range<Node> {
        self.first..self.first + self.length
    }

    pub fn part(self, start: usize, length: usize) -> Vector {
        Vector { first: self.first + start, length }
    }
}

/// Where a node comes from.
#[derive(Clone, Copy)]
enum Origin {
    Leaf,
    Add(Node, Node),
    Mul(Node, Node),
    Function(Node, f64),  // of one child, with its local gradient
    Sum(Vector),          // of nodes that are not below one another
    Dot(Node, Node, u32), // of two such vectors, which begin here and are the same or disjoint
}

use Origin::*;

pub struct Graph {
    pub math: &'static Math,
    pub values: Vec<f64>,
    pub gradients: Vec<f64>, // by the last root of `backward`
    origins: Vec<Origin>,
    order: Vec<Node>,
    waiting: Vec<bool>,
    path: Vec<(Node, usize)>,
}

impl Graph {
    pub fn new(math: &'static Math, leaves: Vec<f64>) -> Graph {
        let origins = vec![Leaf; leaves.len()];
        let (gradients, order, waiting, path) = Default::default();
        Graph { math, values: leaves, gradients, origins, order, waiting, path }
    }

    /// Forgets all nodes but the first ones, which are leaves.
    pub fn truncate(&mut self, count: usize) {
        self.values.truncate(count);
        self.origins.truncate(count);
    }

    fn push(&mut self, value: f64, origin: Origin) -> Node {
        self.values.push(value);
        self.origins.push(origin);
        self.values.len() - 1
    }

    /// Of nodes anywhere, of which there is one at least.
    pub fn add_up(&mut self, nodes: &[Node]) -> Node {
        let start = self.add_number(nodes[0], 0.0);
        nodes[1..].iter().fold(start, |sum, &node| self.add(sum, node))
    }

    pub fn dot(&mut self, a: Vector, b: Vector) -> Node {
        let pairs = self.values[a.nodes()].iter().zip(&self.values[b.nodes()]);
        self.push(pairs.fold(0.0, |sum, (a, b)| sum + a * b), Dot(a.first, b.first, a.length as u32))
    }

    /// What `make` makes of each item, one node of each.
    pub fn vector<T>(&mut self, items: impl Iterator<Item = T>, mut make: impl FnMut(&mut Graph, T) -> Node) -> Vector {
        let first = self.values.len();
        let length = items.map(|item| make(self, item)).count();
        Vector { first, length }
    }

    /// From here on `gradients` has the derivative of the root by each node.
    pub fn backward(&mut self, root: Node) {
        self.find_order(root);
        let Graph { values, gradients, origins, order, .. } = self;
        gradients.clear();
        gradients.resize(values.len(), 0.0);
        gradients[root] = 1.0;
        for &node in order.iter().rev() {
            let g = gradients[node];
            let mut pass = |child: Node, local: f64| gradients[child] += local * g;
            match origins[node] {
                Leaf => {}
                Add(a, b) => [a, b].into_iter().for_each(|child| pass(child, 1.0)),
                Mul(a, b) => [(a, b), (b, a)].into_iter().for_each(|(child, other)| pass(child, values[other])),
                Function(a, local) => pass(a, local),
                Sum(a) => a.nodes().for_each(|child| pass(child, 1.0)),
                Dot(a, b, length) => {
                    for (child, other) in [(a, b), (b, a)] {
                        let children = &mut gradients[child..][..length as usize];
                        children.iter_mut().zip(&values[other..]).for_each(|(child, local)| *child += local * g);
                    }
                }
            }
        }
    }

    /// Depth first, each node after its children, on a path of its own, since graphs are deep. Without leaves: they
    /// pass nothing on.
    fn find_order(&mut self, root: Node) {
        self.waiting.clear();
        self.waiting.extend(self.origins.iter().map(|origin| !matches!(origin, Leaf)));
        self.order.clear();
        self.path.push((root, 0));
        while let Some((node, place)) = self.path.pop() {
            if let Some((child, place)) = self.next_child(node, place) {
                self.waiting[child] = false;
                self.path.extend([(node, place), (child, 0)]);
            } else {
                self.order.push(node);
            }
        }
    }

    /// The first child from this place on that waits to be visited, and its place. The children of a product share one.
    fn next_child(&self, node: Node, place: usize) -> Option<(Node, usize)> {
        let waits = |node: &Node| self.waiting[*node];
        let pair = |a: Node, b: Node, place| Some(([a, b].into_iter().find(waits)?, place));
        match self.origins[node] {
            Leaf => None,
            Add(a, b) | Mul(a, b) => pair(a, b, 0),
            Function(a, _) => pair(a, a, 0),
            Sum(a) => (place..a.length).find_map(|i| pair(a.first + i, a.first + i, i)),
            Dot(a, b, length) => {
                let rest = |first: Node| &self.waiting[first + place..first + length as usize];
                let any = |first| rest(first).iter().fold(false, |any, waits| any | waits); // many at a time
                let mut places = if any(a) || any(b) { place..length as usize } else { 0..0 };
                places.find_map(|i| pair(a + i, b + i, i))
            }
        }
    }
}

/// The expressions. Nobody asks for the gradient of a plain number, so it needs no node.
#[rustfmt::skip]
impl Graph {
    pub fn leaf(&mut self, value: f64) -> Node { self.push(value, Leaf) }
    pub fn add(&mut self, a: Node, b: Node) -> Node { self.push(self.values[a] + self.values[b], Add(a, b)) }
    pub fn mul(&mut self, a: Node, b: Node) -> Node { self.push(self.values[a] * self.values[b], Mul(a, b)) }
    pub fn pow(&mut self, a: Node, c: f64) -> Node {
        let (pow, x) = (self.math.pow, self.values[a]);
        self.push(pow(x, c), Function(a, c * pow(x, c - 1.0)))
    }
    pub fn log(&mut self, a: Node) -> Node { let x = self.values[a]; self.push((self.math.log)(x), Function(a, 1.0 / x)) }
    pub fn exp(&mut self, a: Node) -> Node { let e = (self.math.exp)(self.values[a]); self.push(e, Function(a, e)) }
    pub fn relu(&mut self, a: Node) -> Node {
        let x = self.values[a];
        if x > 0.0 { self.push(x, Function(a, 1.0)) } else { self.push(0.0, Function(a, 0.0)) }
    }

    pub fn add_number(&mut self, a: Node, c: f64) -> Node { self.push(self.values[a] + c, Function(a, 1.0)) }
    pub fn mul_number(&mut self, a: Node, c: f64) -> Node { self.push(self.values[a] * c, Function(a, c)) }
    pub fn div_number(&mut self, a: Node, c: f64) -> Node { self.mul_number(a, (self.math.pow)(c, -1.0)) }
    pub fn number_sub(&mut self, c: f64, a: Node) -> Node { let minus = self.neg(a); self.add_number(minus, c) }
    pub fn number_div(&mut self, c: f64, a: Node) -> Node { let inverse = self.pow(a, -1.0); self.mul_number(inverse, c) }
    pub fn neg(&mut self, a: Node) -> Node { self.mul_number(a, -1.0) }
    pub fn sub(&mut self, a: Node, b: Node) -> Node { let minus = self.neg(b); self.add(a, minus) }
    pub fn div(&mut self, a: Node, b: Node) -> Node { let inverse = self.pow(b, -1.0); self.mul(a, inverse) }
    pub fn sum(&mut self, a: Vector) -> Node { self.push(self.values[a.nodes()].iter().fold(0.0, |sum, x| sum + x), Sum(a)) }
    /// Another node just like this one.
    pub fn again(&mut self, node: Node) -> Node { self.push(self.values[node], self.origins[node]) }
}
