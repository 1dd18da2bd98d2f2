//! Automatic differentiation (SPEC.md, section 5): an arena of nodes with values and ways back to their children. The
//! same one answers `graph` and trains the model. A dot product or a sum over vectors is a single node.
use crate::exact::Math;
use std::ops::Range;

pub type Node = usize; // a place in the arena; those of a vector are consecutive
#[derive(Clone, Copy)]
#[rustfmt::skip]
pub struct Vector { pub first: Node, pub length: usize }
impl Vector {
    pub fn nodes(self) -> Range<Node> { self.first..self.first + self.length }
    pub fn part(self, start: usize, length: usize) -> Vector { Vector { first: self.first + start, length } }
}
/// How a node passes its gradient on.
#[derive(Clone, Copy)]
enum Rule {
    Each(f64), // to the children on the left, with this local gradient
    Both,      // unchanged to the children on either side
    Products,  // to those on either side, by the value of the other one
}
/// Left, right, pairs, rule: the children are left, right, left + 1, right + 1 ... An only one stands on both sides.
type Origin = (Node, Node, usize, Rule);
#[derive(Default)]
pub struct Graph {
    pub math: &'static Math,
    pub values: Vec<f64>,
    pub gradients: Vec<f64>, // derivatives of the root of `backward` by each node
    pub trace: Vec<Vector>,  // the results that the model notes
    origins: Vec<Origin>,
    waiting: Vec<bool>, // to be visited, as all nodes are at first but leaves, which pass nothing on
    order: Vec<Node>,   // those visited, each after its children
}

impl Graph {
    pub fn new(math: &'static Math) -> Graph { Graph { math, ..Graph::default() } }
    fn push(&mut self, value: f64, origin: Origin) -> Node {
        self.values.push(value);
        self.origins.push(origin);
        self.waiting.push(origin.2 > 0);
        self.values.len() - 1
    }
    /// What `make` makes of each item, one node of each.
    pub fn vector<T>(&mut self, items: impl IntoIterator<Item = T>, make: impl Fn(&mut Graph, T) -> Node) -> Vector {
        let first = self.values.len();
        let length = items.into_iter().map(|item| make(self, item)).count();
        Vector { first, length }
    }
    /// Visits all that is below the root, depth first, on a path of its own, since graphs are deep.
    pub fn visit(&mut self, root: Node) {
        let mut path = Vec::from_iter(self.waiting[root].then_some((root, 0)));
        while let Some((node, place)) = path.pop() {
            self.waiting[node] = false;
            let (left, right, pairs, _) = self.origins[node];
            let mut children = (place..pairs).flat_map(|i| [(left + i, i), (right + i, i)]);
            match children.find(|&(child, _)| self.waiting[child]) {
                Some((child, place)) => path.extend([(node, place), (child, 0)]),
                None => self.order.push(node),
            }
        }
    }
    /// Visits all that is below these nodes, if need be in the order `found` in another graph of the same shape.
    pub fn visit_again(&mut self, roots: Vector, found: &mut Vec<Node>) {
        let start = self.order.len() + found.len();
        self.order.extend(&found[..]);
        found.iter().for_each(|&node| self.waiting[node] = false);
        roots.nodes().for_each(|root| self.visit(root));
        found.extend(&self.order[start..]);
    }
    pub fn backward(&mut self, root: Node) {
        self.visit(root);
        let Graph { values, gradients, origins, order, .. } = self;
        gradients.resize(values.len(), 0.0);
        gradients[root] = 1.0;
        for &node in order.iter().rev() {
            let (g, (left, right, pairs, rule)) = (gradients[node], origins[node]);
            match rule {
                Rule::Each(local) => gradients[left..left + pairs].iter_mut().for_each(|child| *child += local * g),
                Rule::Both => [left, right].into_iter().for_each(|child| gradients[child] += g),
                Rule::Products => [(left, right), (right, left)].into_iter().for_each(|(child, other)| {
                    let children = gradients[child..child + pairs].iter_mut();
                    children.zip(&values[other..]).for_each(|(child, local)| *child += local * g);
                }),
            }
        }
    }
}

/// The expressions. Nobody asks for the gradient of a plain number, so it needs no node.
impl Graph {
    pub fn leaf(&mut self, value: f64) -> Node { self.push(value, (0, 0, 0, Rule::Both)) }
    pub fn add(&mut self, a: Node, b: Node) -> Node {
        self.push(self.values[a] + self.values[b], (a, b, 1, Rule::Both))
    }
    pub fn mul(&mut self, a: Node, b: Node) -> Node {
        self.push(self.values[a] * self.values[b], (a, b, 1, Rule::Products))
    }
    fn of(&mut self, a: Node, value_and_local: impl Fn(&Math, f64) -> [f64; 2]) -> Node {
        let [value, local] = value_and_local(self.math, self.values[a]);
        self.push(value, (a, a, 1, Rule::Each(local)))
    }
    pub fn pow(&mut self, a: Node, c: f64) -> Node { self.of(a, |m, x| [(m.pow)(x, c), c * (m.pow)(x, c - 1.0)]) }
    pub fn log(&mut self, a: Node) -> Node { self.of(a, |m, x| [(m.log)(x), 1.0 / x]) }
    pub fn exp(&mut self, a: Node) -> Node { self.of(a, |m, x| [(m.exp)(x); 2]) }
    pub fn relu(&mut self, a: Node) -> Node { self.of(a, |_, x| if x > 0.0 { [x, 1.0] } else { [0.0, 0.0] }) }
    pub fn neg(&mut self, a: Node) -> Node { self.mul_number(a, -1.0) }
    pub fn add_number(&mut self, a: Node, c: f64) -> Node { self.of(a, |_, x| [x + c, 1.0]) }
    pub fn mul_number(&mut self, a: Node, c: f64) -> Node { self.of(a, |_, x| [x * c, c]) }
    pub fn div_number(&mut self, a: Node, c: f64) -> Node { self.mul_number(a, (self.math.pow)(c, -1.0)) }
    pub fn sum(&mut self, a: Vector) -> Node {
        let value = self.values[a.nodes()].iter().fold(0.0, |sum, x| sum + x);
        self.push(value, (a.first, a.first, a.length, Rule::Each(1.0)))
    }
    pub fn dot(&mut self, a: Vector, b: Vector) -> Node {
        let pairs = self.values[a.nodes()].iter().zip(&self.values[b.nodes()]);
        self.push(pairs.fold(0.0, |sum, (a, b)| sum + a * b), (a.first, b.first, a.length, Rule::Products))
    }
    /// The sum of nodes anywhere, of which there is one at least.
    pub fn add_up(&mut self, nodes: &[Node]) -> Node {
        let start = self.add_number(nodes[0], 0.0);
        nodes[1..].iter().fold(start, |sum, &node| self.add(sum, node))
    }
    /// Another node just like this one.
    pub fn again(&mut self, node: Node) -> Node { self.push(self.values[node], self.origins[node]) }
}
