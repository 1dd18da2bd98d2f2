//! Automatic differentiation in its plain form: one node for each operation. SPEC.md, section 5.
//!
//! This answers the `graph` requests, whose expressions may be anything. Training does the same sums without
//! single nodes, see `model`.

use crate::math::Math;

/// A place on a tape.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Node(usize);

#[derive(Clone, Copy)]
enum Operation {
    Leaf,
    Add(Node, Node),
    Mul(Node, Node),
    Pow(Node, f64),
    Log(Node),
    Exp(Node),
    Relu(Node),
}

impl Operation {
    fn children(self) -> [Option<Node>; 2] {
        use Operation::*;
        match self {
            Leaf => [None, None],
            Add(a, b) | Mul(a, b) => [Some(a), Some(b)],
            Pow(a, _) | Log(a) | Exp(a) | Relu(a) => [Some(a), None],
        }
    }
}

/// All nodes of a graph, children before their parents.
pub struct Tape {
    math: Math,
    operations: Vec<Operation>,
    values: Vec<f64>,
}

impl Tape {
    pub fn new(math: Math) -> Tape {
        Tape { math, operations: Vec::new(), values: Vec::new() }
    }

    pub fn value(&self, node: Node) -> f64 {
        self.values[node.0]
    }

    fn push(&mut self, operation: Operation, value: f64) -> Node {
        self.operations.push(operation);
        self.values.push(value);
        Node(self.values.len() - 1)
    }

    pub fn leaf(&mut self, x: f64) -> Node {
        self.push(Operation::Leaf, x)
    }

    pub fn add(&mut self, a: Node, b: Node) -> Node {
        self.push(Operation::Add(a, b), self.value(a) + self.value(b))
    }

    pub fn mul(&mut self, a: Node, b: Node) -> Node {
        self.push(Operation::Mul(a, b), self.value(a) * self.value(b))
    }

    pub fn pow(&mut self, a: Node, exponent: f64) -> Node {
        self.push(Operation::Pow(a, exponent), self.math.pow(self.value(a), exponent))
    }

    pub fn log(&mut self, a: Node) -> Node {
        self.push(Operation::Log(a), self.math.log(self.value(a)))
    }

    pub fn exp(&mut self, a: Node) -> Node {
        self.push(Operation::Exp(a), self.math.exp(self.value(a)))
    }

    pub fn relu(&mut self, a: Node) -> Node {
        let x = self.value(a);
        self.push(Operation::Relu(a), if x > 0.0 { x } else { 0.0 })
    }

    // Everything else is made of these. A plain number becomes a leaf of its own.

    pub fn neg(&mut self, a: Node) -> Node {
        self.mul_number(a, -1.0)
    }

    pub fn sub(&mut self, a: Node, b: Node) -> Node {
        let minus_b = self.neg(b);
        self.add(a, minus_b)
    }

    pub fn div(&mut self, a: Node, b: Node) -> Node {
        let inverse = self.pow(b, -1.0);
        self.mul(a, inverse)
    }

    pub fn add_number(&mut self, a: Node, c: f64) -> Node {
        let c = self.leaf(c);
        self.add(a, c)
    }

    pub fn mul_number(&mut self, a: Node, c: f64) -> Node {
        let c = self.leaf(c);
        self.mul(a, c)
    }

    pub fn div_number(&mut self, a: Node, c: f64) -> Node {
        self.mul_number(a, self.math.pow(c, -1.0))
    }

    pub fn number_sub(&mut self, c: f64, a: Node) -> Node {
        let minus_a = self.neg(a);
        self.add_number(minus_a, c)
    }

    pub fn number_div(&mut self, c: f64, a: Node) -> Node {
        let inverse = self.pow(a, -1.0);
        self.mul_number(inverse, c)
    }

    /// From the left, beginning with the node first + 0.
    pub fn sum(&mut self, first: Node, rest: &[Node]) -> Node {
        let start = self.add_number(first, 0.0);
        rest.iter().fold(start, |sum, &x| self.add(sum, x))
    }

    /// The derivative of the root by each node, indexed as `gradient_of` does it.
    pub fn backward(&self, root: Node) -> Gradients {
        let mut gradients = vec![0.0; self.values.len()];
        gradients[root.0] = 1.0;
        for node in self.post_order(root).into_iter().rev() {
            let g = gradients[node.0];
            let mut pass = |child: Node, local: f64| gradients[child.0] += local * g;
            match self.operations[node.0] {
                Operation::Leaf => {}
                Operation::Add(a, b) => {
                    pass(a, 1.0);
                    pass(b, 1.0);
                }
                Operation::Mul(a, b) => {
                    pass(a, self.value(b));
                    pass(b, self.value(a));
                }
                Operation::Pow(a, c) => pass(a, c * self.math.pow(self.value(a), c - 1.0)),
                Operation::Log(a) => pass(a, 1.0 / self.value(a)),
                Operation::Exp(a) => pass(a, self.value(node)),
                Operation::Relu(a) => pass(a, if self.value(a) > 0.0 { 1.0 } else { 0.0 }),
            }
        }
        Gradients(gradients)
    }

    /// The nodes below the root, depth first, each after its children. With a stack of our own, since graphs
    /// are deep.
    fn post_order(&self, root: Node) -> Vec<Node> {
        let mut order = Vec::new();
        let mut visited = vec![false; self.values.len()];
        visited[root.0] = true;
        let mut stack = vec![(root, self.operations[root.0].children().into_iter().flatten())];
        while let Some((node, children)) = stack.last_mut() {
            match children.find(|child| !visited[child.0]) {
                Some(child) => {
                    visited[child.0] = true;
                    stack.push((child, self.operations[child.0].children().into_iter().flatten()));
                }
                None => {
                    order.push(*node);
                    stack.pop();
                }
            }
        }
        order
    }
}

pub struct Gradients(Vec<f64>);

impl Gradients {
    pub fn of(&self, node: Node) -> f64 {
        self.0[node.0]
    }
}
