//! Automatic differentiation by the layer, for training. The bits are those of a node for every number
//! (SPEC, section 5).
//!
//! All numbers stand in one list, their gradients in another, and a `Span` is a place in both. An operation
//! computes its result at once and is put on the tape; `backward` goes through the tape from its end. Why
//! the bits are the same:
//!
//! - A gradient is a sum, so it depends only on the order of the terms added to it. Operations are recorded
//!   in an order that gives each number the same order of consumers as the depth-first walk from the loss
//!   (`Model.zig` says how), and within an operation `backward` takes the nodes that it stands for from the
//!   last to the first, where two add to the same gradient.
//! - A number inside an operation with one consumer, such as a partial sum, needs no gradient of its own:
//!   it would be 0 + g, which is g, or 0 for g = -0. That sign reaches no gradient, as they start at +0 and
//!   no sum of theirs is -0.
//! - Everything recorded must lead to the loss, since otherwise gradients of 0 would flow, and 0 times
//!   infinity is not 0.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Functions = @import("functions.zig").Functions;

const Tape = @This();

arena: Allocator,
functions: Functions,
values: std.ArrayList(f64) = .empty,
gradients: std.ArrayList(f64) = .empty,
operations: std.ArrayList(Operation) = .empty,

pub const Span = struct {
    start: usize,
    len: usize,

    pub fn part(span: Span, from: usize, len: usize) Span {
        std.debug.assert(from + len <= span.len);
        return .{ .start = span.start + from, .len = len };
    }
};

pub const Operation = union(enum) {
    add: Add,
    linear: Linear,
    project: Project,
    normalize: Normalize,
    attend: Attend,
    activate: Activate,
    surprise: Surprise,
    mean: Mean,
};

/// The arena owns the memory: nothing is freed here.
pub fn init(arena: Allocator, functions: Functions) Tape {
    return .{ .arena = arena, .functions = functions };
}

/// Forget the operations, and all numbers but the first `keep`. The memory is kept for what comes next.
pub fn rewind(tape: *Tape, keep: usize) void {
    tape.values.shrinkRetainingCapacity(keep);
    tape.operations.clearRetainingCapacity();
}

/// Room for numbers, not set.
pub fn room(tape: *Tape, len: usize) !Span {
    const start = tape.values.items.len;
    _ = try tape.values.addManyAsSlice(tape.arena, len);
    return .{ .start = start, .len = len };
}

/// Valid until the next `room`.
pub fn value(tape: *const Tape, span: Span) []f64 {
    return tape.values.items[span.start..][0..span.len];
}

/// Valid after `backward`.
pub fn gradient(tape: *const Tape, span: Span) []f64 {
    return tape.gradients.items[span.start..][0..span.len];
}

/// Compute an operation and remember it.
pub fn record(
    tape: *Tape,
    comptime kind: std.meta.Tag(Operation),
    operation: @FieldType(Operation, @tagName(kind)),
) !void {
    operation.forward(tape);
    try tape.operations.append(tape.arena, @unionInit(Operation, @tagName(kind), operation));
}

/// The gradient of every number, for a loss that is the result of the last operation.
pub fn backward(tape: *Tape, loss: Span) !void {
    try tape.gradients.resize(tape.arena, tape.values.items.len);
    @memset(tape.gradients.items, 0);
    tape.gradient(loss)[0] = 1;
    var i = tape.operations.items.len;
    while (i > 0) {
        i -= 1;
        switch (tape.operations.items[i]) {
            inline else => |*operation| operation.backward(tape),
        }
    }
}

// ---------------------------------------------------------------- matrices
//
// Vectors have one lane for each independent sum, so no sum changes its order. Loops go by 8 lanes, then by
// 1 for what is left.

fn Lanes(comptime count: usize) type {
    return @Vector(count, f64);
}

/// result[i] = row i of the matrix times x, for a matrix of result.len rows.
fn multiply(matrix: []const f64, x: []const f64, result: []f64) void {
    var i: usize = 0;
    inline for (.{ 8, 1 }) |lanes| {
        while (i + lanes <= result.len) : (i += lanes) {
            const rows = matrix[i * x.len ..][0 .. lanes * x.len];
            var sums: Lanes(lanes) = @splat(0);
            for (x, 0..) |factor, j| {
                var column: Lanes(lanes) = undefined;
                inline for (0..lanes) |lane| column[lane] = rows[lane * x.len + j];
                sums += column * @as(Lanes(lanes), @splat(factor));
            }
            result[i..][0..lanes].* = sums;
        }
    }
}

/// Backward of `multiply`: the rows in reverse, each adding to its own gradient and to that of x.
fn multiplyBackward(tape: *Tape, matrix: Span, x: Span, result: Span) void {
    const rows = tape.value(matrix);
    const row_gradients = tape.gradient(matrix);
    const factors = tape.value(x);
    const factor_gradients = tape.gradient(x);
    const gradients = tape.gradient(result);
    var j: usize = 0;
    inline for (.{ 8, 1 }) |lanes| {
        while (j + lanes <= x.len) : (j += lanes) {
            const factor: Lanes(lanes) = factors[j..][0..lanes].*;
            var total: Lanes(lanes) = factor_gradients[j..][0..lanes].*;
            var i = result.len;
            while (i > 0) {
                i -= 1;
                const place = i * x.len + j;
                const g: Lanes(lanes) = @splat(gradients[i]);
                const row: Lanes(lanes) = rows[place..][0..lanes].*;
                const row_gradient: Lanes(lanes) = row_gradients[place..][0..lanes].*;
                row_gradients[place..][0..lanes].* = row_gradient + factor * g;
                total += row * g;
            }
            factor_gradients[j..][0..lanes].* = total;
        }
    }
}

// ---------------------------------------------------------------- operations

/// result = a + b
const Add = struct {
    a: Span,
    b: Span,
    result: Span,

    fn forward(op: Add, tape: *Tape) void {
        for (tape.value(op.result), tape.value(op.a), tape.value(op.b)) |*result, a, b| result.* = a + b;
    }

    fn backward(op: Add, tape: *Tape) void {
        for (tape.gradient(op.result), tape.gradient(op.a), tape.gradient(op.b)) |g, *a, *b| {
            a.* += g;
            b.* += g;
        }
    }
};

/// result = matrix x. One row may come first in the order of consumption: `leading`.
const Linear = struct {
    matrix: Span,
    x: Span,
    result: Span,
    leading: ?usize = null,

    fn forward(op: Linear, tape: *Tape) void {
        multiply(tape.value(op.matrix), tape.value(op.x), tape.value(op.result));
    }

    fn backward(op: Linear, tape: *Tape) void {
        const leading = op.leading orelse return op.rowsBackward(tape, 0, op.result.len);
        op.rowsBackward(tape, leading + 1, op.result.len);
        op.rowsBackward(tape, 0, leading);
        op.rowsBackward(tape, leading, leading + 1);
    }

    fn rowsBackward(op: Linear, tape: *Tape, from: usize, to: usize) void {
        const count = to - from;
        const rows = op.matrix.part(from * op.x.len, count * op.x.len);
        multiplyBackward(tape, rows, op.x, op.result.part(from, count));
    }
};

/// Query, key and value of x, whose rows consume x head by head: first those of `query`, then those of
/// `key`, then those of `value`. (In the walk from the loss, rows of query and key take turns if there is
/// only one score. But then all their gradients are 0.)
const Project = struct {
    x: Span,
    query: Linear,
    key: Linear,
    value: Linear,
    heads: usize,

    fn forward(op: Project, tape: *Tape) void {
        for ([_]Linear{ op.query, op.key, op.value }) |linear| linear.forward(tape);
    }

    fn backward(op: Project, tape: *Tape) void {
        const size = op.x.len / op.heads;
        var head = op.heads;
        while (head > 0) {
            head -= 1;
            for ([_]Linear{ op.value, op.key, op.query }) |linear|
                linear.rowsBackward(tape, head * size, (head + 1) * size);
        }
    }
};

/// result = x * scale, scale = (mean of the squares + 1e-5)^-0.5. No gain. (Zhang and Sennrich, 2019)
const Normalize = struct {
    x: Span,
    result: Span,
    /// mean + 1e-5, and its power
    base: Span,
    scale: Span,

    fn forward(op: Normalize, tape: *Tape) void {
        var squares: f64 = 0;
        for (tape.value(op.x)) |x| squares += x * x;
        const base = squares * op.share(tape) + 1e-5;
        const scale = tape.functions.pow(base, -0.5);
        tape.value(op.base)[0] = base;
        tape.value(op.scale)[0] = scale;
        for (tape.value(op.result), tape.value(op.x)) |*result, x| result.* = x * scale;
    }

    /// Dividing by a plain number is multiplying by its power -1.
    fn share(op: Normalize, tape: *Tape) f64 {
        return tape.functions.pow(@floatFromInt(op.x.len), -1);
    }

    fn backward(op: Normalize, tape: *Tape) void {
        const scale = tape.value(op.scale)[0];
        const xs = tape.value(op.x);
        const x_gradients = tape.gradient(op.x);
        const result_gradients = tape.gradient(op.result);
        var scale_gradient: f64 = 0;
        var i = xs.len;
        while (i > 0) {
            i -= 1;
            x_gradients[i] += scale * result_gradients[i];
            scale_gradient += xs[i] * result_gradients[i];
        }
        const slope = -0.5 * tape.functions.pow(tape.value(op.base)[0], -1.5);
        const g = op.share(tape) * (slope * scale_gradient);
        for (xs, x_gradients) |x, *x_gradient| {
            x_gradient.* += x * g; // a square is a product
            x_gradient.* += x * g; // of two equal children
        }
    }
};

/// Attention of one head at one position. `keys` and `values` are those of position 0; others follow at
/// distances of `stride`.
const Attend = struct {
    positions: []const u32,
    stride: usize,
    query: Span,
    keys: Span,
    values: Span,
    /// what dividing by the root of the head's size multiplies by
    factor: f64,
    scores: Span,
    softmax: Softmax,
    weights: Span,
    result: Span,

    fn forward(op: Attend, tape: *Tape) void {
        const query = tape.value(op.query);
        for (op.positions, tape.value(op.scores)) |position, *score| {
            var sum: f64 = 0;
            for (query, tape.value(op.at(op.keys, position))) |q, k| sum += q * k;
            score.* = sum * op.factor;
        }
        op.softmax.forward(tape);
        op.softmax.all(tape, tape.value(op.weights));
        const result = tape.value(op.result);
        @memset(result, 0);
        for (op.positions, tape.value(op.weights)) |position, weight|
            for (result, tape.value(op.at(op.values, position))) |*sum, v| {
                sum.* += weight * v;
            };
    }

    fn at(op: Attend, span: Span, position: usize) Span {
        return .{ .start = span.start + position * op.stride, .len = span.len };
    }

    fn backward(op: Attend, tape: *Tape) void {
        const result_gradients = tape.gradient(op.result);
        const weight_gradients = tape.gradient(op.weights);
        for (op.positions, tape.value(op.weights), weight_gradients) |position, weight, *weight_gradient| {
            const values = tape.value(op.at(op.values, position));
            const gradients = tape.gradient(op.at(op.values, position));
            var j = values.len;
            while (j > 0) {
                j -= 1;
                weight_gradient.* += values[j] * result_gradients[j];
                gradients[j] += weight * result_gradients[j];
            }
        }
        op.softmax.backward(tape, weight_gradients, 0);
        const query = tape.value(op.query);
        const query_gradients = tape.gradient(op.query);
        const score_gradients = tape.gradient(op.scores);
        var i = op.positions.len;
        while (i > 0) {
            i -= 1;
            const g = op.factor * score_gradients[i];
            const key = tape.value(op.at(op.keys, op.positions[i]));
            const key_gradients = tape.gradient(op.at(op.keys, op.positions[i]));
            for (query, query_gradients, key, key_gradients) |q, *q_gradient, k, *k_gradient| {
                q_gradient.* += k * g;
                k_gradient.* += q * g;
            }
        }
    }
};

/// Part of two operations: exp(x - the greatest x), their sum, and those quotients of these that are asked
/// for.
pub const Softmax = struct {
    x: Span,
    exps: Span,
    total: Span,

    pub fn forward(op: Softmax, tape: *Tape) void {
        const x = tape.value(op.x);
        var top = x[0];
        for (x[1..]) |other| {
            if (other > top) top = other;
        }
        var total: f64 = 0;
        for (x, tape.value(op.exps)) |number, *power| {
            power.* = tape.functions.exp(number - top);
            total += power.*;
        }
        tape.value(op.total)[0] = total;
    }

    pub fn inverse(op: Softmax, tape: *const Tape) f64 {
        return tape.functions.pow(tape.value(op.total)[0], -1);
    }

    pub fn all(op: Softmax, tape: *const Tape, quotients: []f64) void {
        const factor = op.inverse(tape);
        for (quotients, tape.value(op.exps)) |*quotient, power| quotient.* = power * factor;
    }

    /// For the gradients of consecutive quotients, from number `first`. Each quotient has a power node of
    /// its own for the total.
    fn backward(op: Softmax, tape: *Tape, quotient_gradients: []const f64, first: usize) void {
        const factor = op.inverse(tape);
        const slope = -1.0 * tape.functions.pow(tape.value(op.total)[0], -2);
        const exps = tape.value(op.exps);
        const exp_gradients = tape.gradient(op.exps);
        var total_gradient: f64 = 0;
        var i = quotient_gradients.len;
        while (i > 0) {
            i -= 1;
            const g = quotient_gradients[i];
            exp_gradients[first + i] += factor * g;
            total_gradient += slope * (exps[first + i] * g);
        }
        for (exps, exp_gradients, tape.gradient(op.x)) |power, *exp_gradient, *x_gradient| {
            exp_gradient.* += total_gradient;
            x_gradient.* += power * exp_gradient.*;
        }
    }
};

/// result = relu(x), or its square
const Activate = struct {
    x: Span,
    result: Span,
    squared: bool,

    fn forward(op: Activate, tape: *Tape) void {
        for (tape.value(op.x), tape.value(op.result)) |x, *result| {
            const positive = if (x > 0) x else 0;
            result.* = if (op.squared) positive * positive else positive;
        }
    }

    fn backward(op: Activate, tape: *Tape) void {
        for (tape.value(op.x), tape.gradient(op.x), tape.gradient(op.result)) |x, *x_gradient, result_gradient| {
            const g = if (op.squared) 2 * (if (x > 0) x else 0) * result_gradient else result_gradient;
            x_gradient.* += if (x > 0) g else 0 * g;
        }
    }
};

/// loss = -log of the softmax's quotient number `target`
const Surprise = struct {
    softmax: Softmax,
    target: usize,
    probability: Span,
    loss: Span,

    fn forward(op: Surprise, tape: *Tape) void {
        op.softmax.forward(tape);
        const probability = tape.value(op.softmax.exps)[op.target] * op.softmax.inverse(tape);
        tape.value(op.probability)[0] = probability;
        tape.value(op.loss)[0] = tape.functions.log(probability) * -1;
    }

    fn backward(op: Surprise, tape: *Tape) void {
        const g = -1 * tape.gradient(op.loss)[0];
        op.softmax.backward(tape, &.{1 / tape.value(op.probability)[0] * g}, op.target);
    }
};

/// The sum times 1/n.
const Mean = struct {
    x: Span,
    result: Span,

    fn share(op: Mean) f64 {
        return 1 / @as(f64, @floatFromInt(op.x.len));
    }

    fn forward(op: Mean, tape: *Tape) void {
        var sum: f64 = 0;
        for (tape.value(op.x)) |x| sum += x;
        tape.value(op.result)[0] = sum * op.share();
    }

    fn backward(op: Mean, tape: *Tape) void {
        const g = op.share() * tape.gradient(op.result)[0];
        for (tape.gradient(op.x)) |*x_gradient| x_gradient.* += g;
    }
};
