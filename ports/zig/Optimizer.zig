//! Adam (Kingma and Ba, 2015) with a learning rate that falls over a number of steps. SPEC, section 8.

const std = @import("std");
const Functions = @import("functions.zig").Functions;

const Optimizer = @This();

learning_rate: f64,
beta1: f64,
beta2: f64,
epsilon: f64,
schedule: Schedule,
steps: u32,

pub const Schedule = enum { linear, cosine };

/// Lists of one length, a number for each parameter in each.
pub const Numbers = struct {
    parameters: []f64,
    gradients: []const f64,
    m: []f64,
    v: []f64,
};

/// The learning rate of a step, counted from 0.
pub fn rate(optimizer: Optimizer, step: u32, functions: Functions) f64 {
    const s: f64 = @floatFromInt(step);
    const n: f64 = @floatFromInt(optimizer.steps);
    return switch (optimizer.schedule) {
        .linear => optimizer.learning_rate * (1 - s / n),
        .cosine => optimizer.learning_rate * 0.5 * (1 + functions.cos(std.math.pi * s / n)),
    };
}

/// What m and v are divided by, because they started at zero.
pub fn corrections(optimizer: Optimizer, step: u32, functions: Functions) [2]f64 {
    const s: f64 = @floatFromInt(step);
    return .{ 1 - functions.pow(optimizer.beta1, s + 1), 1 - functions.pow(optimizer.beta2, s + 1) };
}

/// The numbers of one step for every parameter.
pub fn update(optimizer: Optimizer, step: u32, functions: Functions, numbers: Numbers) void {
    const corrected = optimizer.corrections(step, functions);
    var i: usize = 0;
    inline for (.{ 8, 1 }) |lanes| {
        const Lanes = @Vector(lanes, f64);
        const learning_rate: Lanes = @splat(optimizer.rate(step, functions));
        const correction1: Lanes = @splat(corrected[0]);
        const correction2: Lanes = @splat(corrected[1]);
        const epsilon: Lanes = @splat(optimizer.epsilon);
        const beta1: Lanes = @splat(optimizer.beta1);
        const beta2: Lanes = @splat(optimizer.beta2);
        const rest1: Lanes = @splat(1 - optimizer.beta1);
        const rest2: Lanes = @splat(1 - optimizer.beta2);
        while (i + lanes <= numbers.parameters.len) : (i += lanes) {
            const g: Lanes = numbers.gradients[i..][0..lanes].*;
            const p: Lanes = numbers.parameters[i..][0..lanes].*;
            var m: Lanes = numbers.m[i..][0..lanes].*;
            var v: Lanes = numbers.v[i..][0..lanes].*;
            m = beta1 * m + rest1 * g;
            v = beta2 * v + rest2 * (g * g);
            const m_hat = m / correction1;
            const v_hat = v / correction2;
            const change = learning_rate * m_hat / (halfPower(lanes, v_hat) + epsilon);
            numbers.m[i..][0..lanes].* = m;
            numbers.v[i..][0..lanes].* = v;
            numbers.parameters[i..][0..lanes].* = p - change;
        }
    }
}

/// To the power 0.5. It is the square root but for -0 (+0) and for minus infinity (infinity).
fn halfPower(comptime lanes: usize, x: @Vector(lanes, f64)) @Vector(lanes, f64) {
    const infinity: @Vector(lanes, f64) = @splat(std.math.inf(f64));
    return @select(f64, x == -infinity, infinity, @sqrt(x) + @as(@Vector(lanes, f64), @splat(0)));
}
