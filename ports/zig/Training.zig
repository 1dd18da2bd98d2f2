//! A training run in the middle. SPEC, section 8.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Model = @import("Model.zig");
const Optimizer = @import("Optimizer.zig");

const Training = @This();

model: *Model,
optimizer: Optimizer,
m: []f64,
v: []f64,
/// The next step.
step: u32 = 0,

pub fn init(arena: Allocator, model: *Model, optimizer: Optimizer) !Training {
    const m = try arena.alloc(f64, model.parameter_count);
    const v = try arena.alloc(f64, model.parameter_count);
    @memset(m, 0);
    @memset(v, 0);
    return .{ .model = model, .optimizer = optimizer, .m = m, .v = v };
}

/// One step on one document. Returns the loss before it.
pub fn advance(training: *Training, tokens: []const u32) !f64 {
    const tape = &training.model.tape;
    const loss = try training.model.documentLoss(tokens, Model.Unwatched{});
    try tape.backward(loss);
    training.optimizer.update(training.step, tape.functions, .{
        .parameters = training.model.parameters(),
        .gradients = training.model.gradients(),
        .m = training.m,
        .v = training.v,
    });
    training.step += 1;
    return tape.value(loss)[0];
}
