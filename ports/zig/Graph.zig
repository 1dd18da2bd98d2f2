//! Automatic differentiation by the rule: one node for every number, gradients in the reverse of the
//! depth-first post-order. SPEC, section 5. Training uses `Tape`, which gives the same bits and is faster.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Functions = @import("functions.zig").Functions;

const Graph = @This();

allocator: Allocator,
functions: Functions,
nodes: std.ArrayList(Node) = .empty,

pub const Id = u32;

const Node = struct {
    value: f64,
    gradient: f64 = 0,
    /// What the node is made of, with the derivative by each.
    children: [2]Child = undefined,
    child_count: u8 = 0,
    visited: bool = false,
};

const Child = struct { id: Id, slope: f64 };

pub fn init(allocator: Allocator, functions: Functions) Graph {
    return .{ .allocator = allocator, .functions = functions };
}

pub fn deinit(graph: *Graph) void {
    graph.nodes.deinit(graph.allocator);
}

pub fn value(graph: *const Graph, id: Id) f64 {
    return graph.nodes.items[id].value;
}

pub fn gradient(graph: *const Graph, id: Id) f64 {
    return graph.nodes.items[id].gradient;
}

fn append(graph: *Graph, node: Node) !Id {
    const id = std.math.cast(Id, graph.nodes.items.len) orelse return error.OutOfMemory;
    try graph.nodes.append(graph.allocator, node);
    return id;
}

fn unary(graph: *Graph, result: f64, a: Id, slope: f64) !Id {
    const children: [2]Child = .{ .{ .id = a, .slope = slope }, undefined };
    return graph.append(.{ .value = result, .children = children, .child_count = 1 });
}

fn binary(graph: *Graph, result: f64, a: Child, b: Child) !Id {
    return graph.append(.{ .value = result, .children = .{ a, b }, .child_count = 2 });
}

pub fn leaf(graph: *Graph, number: f64) !Id {
    return graph.append(.{ .value = number });
}

pub fn add(graph: *Graph, a: Id, b: Id) !Id {
    return graph.binary(graph.value(a) + graph.value(b), .{ .id = a, .slope = 1 }, .{ .id = b, .slope = 1 });
}

pub fn mul(graph: *Graph, a: Id, b: Id) !Id {
    const x = graph.value(a);
    const y = graph.value(b);
    return graph.binary(x * y, .{ .id = a, .slope = y }, .{ .id = b, .slope = x });
}

pub fn pow(graph: *Graph, a: Id, exponent: f64) !Id {
    const x = graph.value(a);
    return graph.unary(graph.functions.pow(x, exponent), a, exponent * graph.functions.pow(x, exponent - 1));
}

pub fn log(graph: *Graph, a: Id) !Id {
    const x = graph.value(a);
    return graph.unary(graph.functions.log(x), a, 1 / x);
}

pub fn exp(graph: *Graph, a: Id) !Id {
    const power = graph.functions.exp(graph.value(a));
    return graph.unary(power, a, power);
}

pub fn relu(graph: *Graph, a: Id) !Id {
    const x = graph.value(a);
    return if (x > 0) graph.unary(x, a, 1) else graph.unary(0, a, 0);
}

pub fn neg(graph: *Graph, a: Id) !Id {
    return graph.mulNumber(a, -1);
}

pub fn sub(graph: *Graph, a: Id, b: Id) !Id {
    return graph.add(a, try graph.neg(b));
}

pub fn div(graph: *Graph, a: Id, b: Id) !Id {
    return graph.mul(a, try graph.pow(b, -1));
}

pub fn addNumber(graph: *Graph, a: Id, number: f64) !Id {
    return graph.add(a, try graph.leaf(number));
}

pub fn mulNumber(graph: *Graph, a: Id, number: f64) !Id {
    return graph.mul(a, try graph.leaf(number));
}

/// From the left, starting with x0 + 0.
pub fn sum(graph: *Graph, terms: []const Id) !Id {
    var total = try graph.addNumber(terms[0], 0);
    for (terms[1..]) |term| total = try graph.add(total, term);
    return total;
}

/// The gradient of every node: the derivative of the root by it. To be called once.
pub fn backward(graph: *Graph, root: Id) !void {
    const nodes = graph.nodes.items;
    const order = try graph.postOrder(root);
    defer graph.allocator.free(order);
    nodes[root].gradient = 1;
    var i = order.len;
    while (i > 0) {
        i -= 1;
        const node = nodes[order[i]];
        for (node.children[0..node.child_count]) |child|
            nodes[child.id].gradient += child.slope * node.gradient;
    }
}

/// A visit to a node, and how many of its children have been looked at.
const Visit = struct { id: Id, children_seen: u8 = 0 };

/// A graph may be too deep for recursion, so the path from the root is kept in a list.
fn postOrder(graph: *Graph, root: Id) ![]Id {
    const nodes = graph.nodes.items;
    var order: std.ArrayList(Id) = .empty;
    errdefer order.deinit(graph.allocator);
    var path: std.ArrayList(Visit) = .empty;
    defer path.deinit(graph.allocator);
    nodes[root].visited = true;
    try path.append(graph.allocator, .{ .id = root });
    while (path.items.len > 0) {
        const visit = &path.items[path.items.len - 1];
        const node = nodes[visit.id];
        if (visit.children_seen == node.child_count) {
            try order.append(graph.allocator, visit.id);
            _ = path.pop();
            continue;
        }
        const child = node.children[visit.children_seen].id;
        visit.children_seen += 1;
        if (nodes[child].visited) continue;
        nodes[child].visited = true;
        try path.append(graph.allocator, .{ .id = child });
    }
    return order.toOwnedSlice(graph.allocator);
}

test "a node that is used twice gets both parts of its gradient" {
    var graph: Graph = .init(std.testing.allocator, .exact);
    defer graph.deinit();
    const x = try graph.leaf(3);
    const y = try graph.add(try graph.mul(x, x), x); // x^2 + x
    try graph.backward(y);
    try std.testing.expectEqual(12, graph.value(y));
    try std.testing.expectEqual(7, graph.gradient(x));
}

test "what the root does not reach keeps a gradient of zero" {
    var graph: Graph = .init(std.testing.allocator, .exact);
    defer graph.deinit();
    const x = try graph.leaf(3);
    const unused = try graph.mul(x, x);
    try graph.backward(x);
    try std.testing.expectEqual(0, graph.gradient(unused));
    try std.testing.expectEqual(1, graph.gradient(x));
}
