//! Numbers that know what they are made of, and the derivative of one of them by all others (SPEC, section 5).

const std = @import("std");
const exact = @import("exact.zig");

/// Nodes made one after the other.
pub const Span = struct {
    first: u32,
    len: u32 = 1,
    pub fn part(span: Span, from: usize, len: usize) Span {
        return .{ .first = span.first + @as(u32, @intCast(from)), .len = @intCast(len) };
    }
};

pub const Kind = enum { leaf, add, mul, pow, log, exp, relu, dot };
/// The children are a, b, a + 1, b + 1, ...: n pairs. In a pow, b is the exponent; in log, exp, relu, any leaf.
const Node = struct { value: f64, slope: f64 = 0, kind: Kind, a: u32 = 0, b: u32 = 0, n: u32 = 1, new: bool = true };

pub const Graph = struct {
    arena: std.mem.Allocator,
    nodes: std.MultiArrayList(Node) = .empty,
    order: std.ArrayList(u32) = .empty,
    stack: std.ArrayList(struct { id: u32, done: bool = false }) = .empty,
    pub fn get(graph: *const Graph, comptime which: std.MultiArrayList(Node).Field, span: Span) []f64 {
        return graph.nodes.items(which)[span.first..][0..span.len];
    }
    pub fn since(graph: *const Graph, first: usize) Span {
        return .{ .first = @intCast(first), .len = @intCast(graph.nodes.len - first) };
    }
    pub fn leaf(graph: *Graph, value: f64) !Span {
        try graph.nodes.append(graph.arena, .{ .value = value, .kind = .leaf, .new = false });
        return graph.since(graph.nodes.len - 1);
    }
    /// A node for each element of a with that of b. A single element stands for as many as are wanted.
    pub fn map(graph: *Graph, kind: Kind, a: Span, b: Span) !Span {
        const start = graph.nodes.len;
        for (0..@max(a.len, b.len)) |i| {
            const ia, const ib = .{ a.first + @min(i, a.len - 1), b.first + @min(i, b.len - 1) };
            const x, const y = .{ graph.nodes.items(.value)[ia], graph.nodes.items(.value)[ib] };
            const value = switch (kind) {
                .add => x + y,
                .mul => x * y,
                .pow => exact.pow(x, y),
                .log => exact.log(x),
                .exp => exact.exp(x),
                .relu => if (x > 0) x else 0,
                .leaf, .dot => unreachable,
            };
            try graph.nodes.append(graph.arena, .{ .value = value, .kind = kind, .a = ia, .b = ib });
        }
        return graph.since(start);
    }
    /// One node for all products and sums (SPEC, "Taking nodes together").
    pub fn dot(graph: *Graph, a: Span, b: Span) !Span {
        var total: f64 = 0;
        for (graph.get(.value, a), graph.get(.value, b)) |x, y| total += x * y;
        try graph.nodes.append(graph.arena, .{ .value = total, .kind = .dot, .a = a.first, .b = b.first, .n = a.len });
        return graph.since(graph.nodes.len - 1);
    }
    pub fn rmsnorm(graph: *Graph, x: Span) !Span {
        const share, const epsilon = .{ try graph.leaf(1 / @as(f64, @floatFromInt(x.len))), try graph.leaf(1e-5) };
        const mean_square = try graph.map(.mul, try graph.dot(x, x), share);
        const scale = try graph.map(.pow, try graph.map(.add, mean_square, epsilon), try graph.leaf(-0.5));
        return graph.map(.mul, x, scale);
    }
    pub fn softmax(graph: *Graph, x: Span) !Span {
        var top = graph.get(.value, x)[0];
        for (graph.get(.value, x)) |number| top = if (number > top) number else top;
        const shift, const minus_one = .{ try graph.leaf(-top), try graph.leaf(-1) };
        const exps = try graph.map(.exp, try graph.map(.add, x, shift), minus_one);
        var total = try graph.leaf(0);
        for (0..x.len) |i| total = try graph.map(.add, total, exps.part(i, 1));
        const start = graph.nodes.len;
        for (0..x.len) |_| _ = try graph.map(.pow, total, minus_one);
        return graph.map(.mul, exps, graph.since(start));
    }
    /// The gradient of every node: the derivative of the root by it. Once for each node that is made.
    pub fn backward(graph: *Graph, root: Span) !void {
        const arena, const nodes = .{ graph.arena, graph.nodes.slice() };
        const new, const numbers, const slopes = .{ nodes.items(.new), nodes.items(.value), nodes.items(.slope) };
        try graph.stack.append(arena, .{ .id = root.first });
        while (graph.stack.pop()) |top| { // the depth-first post-order, without the leaves: nothing is below them
            if (top.done) try graph.order.append(arena, top.id);
            if (!new[top.id]) continue;
            new[top.id] = false;
            try graph.stack.append(arena, .{ .id = top.id, .done = true });
            const node = nodes.get(top.id);
            for (1..node.n + 1) |back| inline for (.{ node.b, node.a }) |first| {
                const child: u32 = @intCast(first + node.n - back);
                if (new[child]) try graph.stack.append(arena, .{ .id = child });
            };
        }
        @memset(slopes, 0);
        slopes[root.first] = 1;
        var last_a: u32, var last_b: u32, var power: f64 = .{ 0, 0, undefined }; // equal powers come in a row
        while (graph.order.pop()) |id| {
            const node = nodes.get(id);
            const a, const b, const n, const g = .{ node.a, node.b, node.n, node.slope };
            const x, const y = .{ numbers[a], numbers[b] };
            if (node.kind == .pow and (a != last_a or b != last_b)) power = exact.pow(x, y - 1);
            if (node.kind == .pow) last_a, last_b = .{ a, b };
            const by_x, const by_y = switch (node.kind) {
                .leaf, .add => .{ 1, 1 },
                .mul => .{ y, x },
                .pow => .{ y * power, 0 },
                .log => .{ 1 / x, 0 },
                .exp => .{ node.value, 0 },
                .relu => .{ @as(f64, if (x > 0) 1 else 0), 0 },
                .dot => {
                    for (numbers[a..][0..n], numbers[b..][0..n], slopes[a..][0..n], slopes[b..][0..n]) |u, v, *s, *t| {
                        s.* += v * g;
                        t.* += u * g;
                    }
                    continue;
                },
            };
            slopes[a] += by_x * g;
            slopes[b] += by_y * g;
        }
    }
};
