//! The GPT: its parameters, one position forward, the loss of a document, and a sample. SPEC, sections 6, 7
//! and 9.
//!
//! The order of the operations. SPEC adds up gradients in the reverse of the depth-first walk from the
//! loss, `Tape` in the reverse of the operations. The bits are the same if every number meets its consumers
//! in the same order in both. It does:
//!
//! - The loss is a sum over the positions, and each position attends to itself. So the walk finishes one
//!   position after the other, with its keys and values; these and the parameters are consumed in the order
//!   of the positions.
//! - At a position it first asks for the target's probability: the target's row of lm_head comes before all
//!   other rows, which the total of the softmax asks for.
//! - Element 0 of a matrix product asks for all of its x, so that is complete before any row; the rows
//!   consume it in turn.
//! - A residual sum has the block on its left and the block's input on its right: the block consumes the
//!   input first. In rmsnorm the squares, of which the scale is made, are consumed before the products with
//!   it.
//! - Row 0 of attn_wo asks for the heads in turn. A head's first result asks for its first weight, that for
//!   the first score, and that for the elements of q; keys of earlier positions are there already. So the
//!   head's rows of wq come first. Its own key is asked for by its own score, the last one, and the own
//!   value after all weights: rows of wk, then rows of wv.
//! - The total of a softmax is asked for by the first quotient before that is finished: the sum comes
//!   before the quotients.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Functions = @import("functions.zig").Functions;
const Generator = @import("Generator.zig");
const Tape = @import("Tape.zig");
const Span = Tape.Span;

const Model = @This();

config: Config,
matrices: []const Matrix,
/// How many numbers the matrices have. They are the first ones on the tape.
parameter_count: usize,
tape: Tape,
/// For each layer.
caches: []Cache,

pub const Activation = enum { relu, squared_relu };

pub const Config = struct {
    layers: usize,
    heads: usize,
    embedding: usize,
    block: usize,
    vocabulary: usize,
    activation: Activation,
    /// For each position of the block the positions to which it attends.
    attention: []const []const u32,

    /// The token that begins and ends a document.
    pub fn bos(config: Config) u32 {
        return @intCast(config.vocabulary - 1);
    }
};

pub const Role = enum {
    // once in a model
    wte,
    wpe,
    lm_head,
    // in each layer
    attn_wq,
    attn_wk,
    attn_wv,
    attn_wo,
    mlp_fc1,
    mlp_fc2,

    const per_model = 3;
    const per_layer = 6;

    fn shape(role: Role, config: Config) struct { usize, usize } {
        const e = config.embedding;
        return switch (role) {
            .wte, .lm_head => .{ config.vocabulary, e },
            .wpe => .{ config.block, e },
            .attn_wq, .attn_wk, .attn_wv, .attn_wo => .{ e, e },
            .mlp_fc1 => .{ 4 * e, e },
            .mlp_fc2 => .{ e, 4 * e },
        };
    }
};

/// A matrix of parameters, row by row.
pub const Matrix = struct {
    role: Role,
    layer: ?usize,
    rows: usize,
    columns: usize,
    numbers: Span,

    fn row(matrix: Matrix, i: usize) Span {
        return matrix.numbers.part(i * matrix.columns, matrix.columns);
    }

    /// Its name.
    pub fn format(matrix: Matrix, writer: *std.Io.Writer) std.Io.Writer.Error!void {
        if (matrix.layer) |layer| try writer.print("layer{d}.", .{layer});
        try writer.writeAll(@tagName(matrix.role));
    }
};

/// Keys and values of all positions, one position after the other.
const Cache = struct { keys: Span, values: Span };

/// Every position attends to all up to itself.
pub fn causal(comptime block: usize) []const []const u32 {
    const table = comptime table: {
        const positions: [block]u32 = std.simd.iota(u32, block);
        var lists: [block][]const u32 = undefined;
        for (&lists, 1..) |*list, count| list.* = positions[0..count];
        break :table lists;
    };
    return &table;
}

/// A model whose parameters are not set. Its memory is the arena's.
pub fn init(arena: Allocator, config: Config, functions: Functions) !Model {
    const matrices = try arena.alloc(Matrix, Role.per_model + Role.per_layer * config.layers);
    var count: usize = 0;
    for (matrices, 0..) |*matrix, i| {
        const layer = if (i < Role.per_model) null else (i - Role.per_model) / Role.per_layer;
        const role: Role = @fromBackingInt(@intCast(i - Role.per_layer * (layer orelse 0)));
        const rows, const columns = role.shape(config);
        const numbers: Span = .{ .start = count, .len = rows * columns };
        matrix.* = .{ .role = role, .layer = layer, .rows = rows, .columns = columns, .numbers = numbers };
        count += numbers.len;
    }
    return .{
        .config = config,
        .matrices = matrices,
        .parameter_count = count,
        .tape = .init(arena, functions),
        .caches = try arena.alloc(Cache, config.layers),
    };
}

pub fn parameters(model: *const Model) []f64 {
    return model.tape.values.items[0..model.parameter_count];
}

/// Valid after `Tape.backward`.
pub fn gradients(model: *const Model) []f64 {
    return model.tape.gradients.items[0..model.parameter_count];
}

pub fn matrixOf(model: *const Model, role: Role, layer: usize) Matrix {
    return model.matrices[@backingInt(role) + Role.per_layer * layer];
}

// ---------------------------------------------------------------- one position

/// Somebody who is shown every intermediate result has a method `see` like this one, which shows nothing.
pub const Unwatched = struct {
    pub fn see(_: Unwatched, comptime _: []const u8, _: anytype, _: []const f64) !void {}
};

fn add(model: *Model, a: Span, b: Span) !Span {
    const result = try model.tape.room(a.len);
    try model.tape.record(.add, .{ .a = a, .b = b, .result = result });
    return result;
}

fn normalize(model: *Model, x: Span) !Span {
    const result = try model.tape.room(x.len);
    try model.tape.record(.normalize, .{
        .x = x,
        .base = try model.tape.room(1),
        .scale = try model.tape.room(1),
        .result = result,
    });
    return result;
}

/// The logits for what follows `token` at position t. `target` is the token whose probability is asked for.
fn logits(model: *Model, t: usize, token: u32, target: u32, watch: anytype) !Span {
    const tape = &model.tape;
    const embedded = try model.add(model.matrixOf(.wte, 0).row(token), model.matrixOf(.wpe, 0).row(t));
    try watch.see("pos{d}.embedded", .{t}, tape.value(embedded));
    var x = try model.normalize(embedded);
    try watch.see("pos{d}.normed", .{t}, tape.value(x));
    for (0..model.config.layers) |layer| {
        const at = .{ t, layer };

        const attn_norm = try model.normalize(x);
        try watch.see("pos{d}.layer{d}.attn_norm", at, tape.value(attn_norm));
        const mixed = try model.attend(t, layer, attn_norm, watch);
        const attn_out = try model.multiply(.attn_wo, layer, mixed);
        try watch.see("pos{d}.layer{d}.attn_out", at, tape.value(attn_out));
        x = try model.add(attn_out, x);
        try watch.see("pos{d}.layer{d}.attn_residual", at, tape.value(x));

        const mlp_norm = try model.normalize(x);
        try watch.see("pos{d}.layer{d}.mlp_norm", at, tape.value(mlp_norm));
        const hidden = try model.multiply(.mlp_fc1, layer, mlp_norm);
        try watch.see("pos{d}.layer{d}.hidden", at, tape.value(hidden));
        const activated = try tape.room(hidden.len);
        const squared = model.config.activation == .squared_relu;
        try tape.record(.activate, .{ .x = hidden, .result = activated, .squared = squared });
        try watch.see("pos{d}.layer{d}.activated", at, tape.value(activated));
        const mlp_out = try model.multiply(.mlp_fc2, layer, activated);
        try watch.see("pos{d}.layer{d}.mlp_out", at, tape.value(mlp_out));
        x = try model.add(mlp_out, x);
        try watch.see("pos{d}.layer{d}.mlp_residual", at, tape.value(x));
    }
    const result = try tape.room(model.config.vocabulary);
    const lm_head = model.matrixOf(.lm_head, 0).numbers;
    try tape.record(.linear, .{ .matrix = lm_head, .x = x, .result = result, .leading = target });
    try watch.see("pos{d}.logits", .{t}, tape.value(result));
    return result;
}

fn multiply(model: *Model, role: Role, layer: usize, x: Span) !Span {
    const weights = model.matrixOf(role, layer);
    const result = try model.tape.room(weights.rows);
    try model.tape.record(.linear, .{ .matrix = weights.numbers, .x = x, .result = result });
    return result;
}

/// The heads' results side by side.
fn attend(model: *Model, t: usize, layer: usize, x: Span, watch: anytype) !Span {
    const tape = &model.tape;
    const config = model.config;
    const positions = config.attention[t];
    const e = config.embedding;
    const size = e / config.heads;
    const root = tape.functions.pow(@floatFromInt(size), 0.5);
    const cache = model.caches[layer];
    const query = try tape.room(e);
    const key = cache.keys.part(t * e, e);
    const value = cache.values.part(t * e, e);
    try tape.record(.project, .{
        .x = x,
        .query = .{ .matrix = model.matrixOf(.attn_wq, layer).numbers, .x = x, .result = query },
        .key = .{ .matrix = model.matrixOf(.attn_wk, layer).numbers, .x = x, .result = key },
        .value = .{ .matrix = model.matrixOf(.attn_wv, layer).numbers, .x = x, .result = value },
        .heads = config.heads,
    });
    try watch.see("pos{d}.layer{d}.q", .{ t, layer }, tape.value(query));
    try watch.see("pos{d}.layer{d}.k", .{ t, layer }, tape.value(key));
    try watch.see("pos{d}.layer{d}.v", .{ t, layer }, tape.value(value));

    const mixed = try tape.room(e);
    for (0..config.heads) |head| {
        const at = .{ t, layer, head };
        const scores = try tape.room(positions.len);
        const weights = try tape.room(positions.len);
        const result = mixed.part(head * size, size);
        try tape.record(.attend, .{
            .positions = positions,
            .stride = e,
            .query = query.part(head * size, size),
            .keys = cache.keys.part(head * size, size),
            .values = cache.values.part(head * size, size),
            .factor = tape.functions.pow(root, -1),
            .scores = scores,
            .softmax = try model.softmaxOf(scores),
            .weights = weights,
            .result = result,
        });
        try watch.see("pos{d}.layer{d}.head{d}.scores", at, tape.value(scores));
        try watch.see("pos{d}.layer{d}.head{d}.weights", at, tape.value(weights));
        try watch.see("pos{d}.layer{d}.head{d}.mixed", at, tape.value(result));
    }
    return mixed;
}

fn softmaxOf(model: *Model, x: Span) !Tape.Softmax {
    return .{ .x = x, .exps = try model.tape.room(x.len), .total = try model.tape.room(1) };
}

/// An empty tape but for the parameters and room for the caches of so many positions.
fn begin(model: *Model, positions: usize) !void {
    model.tape.rewind(model.parameter_count);
    for (model.caches) |*cache| {
        cache.keys = try model.tape.room(positions * model.config.embedding);
        cache.values = try model.tape.room(positions * model.config.embedding);
    }
}

// ---------------------------------------------------------------- documents

/// The mean over the positions of -log p(next token): the last number on the tape, ready for
/// `Tape.backward`.
pub fn documentLoss(model: *Model, tokens: []const u32, watch: anytype) !Span {
    const tape = &model.tape;
    const count = @min(model.config.block, tokens.len - 1);
    try model.begin(count);
    const losses = try tape.room(count);
    for (tokens[0..count], tokens[1..][0..count], 0..) |token, target, t| {
        const softmax = try model.softmaxOf(try model.logits(t, token, target, watch));
        const loss = losses.part(t, 1);
        try tape.record(.surprise, .{
            .softmax = softmax,
            .target = target,
            .probability = try tape.room(1),
            .loss = loss,
        });
        if (@TypeOf(watch) != Unwatched) {
            const probabilities = try tape.room(model.config.vocabulary);
            softmax.all(tape, tape.value(probabilities));
            try watch.see("pos{d}.probabilities", .{t}, tape.value(probabilities));
            try watch.see("pos{d}.loss", .{t}, tape.value(loss));
        }
    }
    const result = try tape.room(1);
    try tape.record(.mean, .{ .x = losses, .result = result });
    return result;
}

pub const Draw = struct { probabilities: []const f64, token: u32 };

/// Draws one token after the other until BOS, which is drawn too, or the end of the block.
pub const Sampler = struct {
    model: *Model,
    generator: *Generator,
    temperature: f64,
    cumulative: []f64,
    position: usize = 0,
    token: u32,

    /// `room` is for as many numbers as there are tokens.
    pub fn init(model: *Model, generator: *Generator, temperature: f64, room: []f64) !Sampler {
        try model.begin(model.config.block);
        return .{
            .model = model,
            .generator = generator,
            .temperature = temperature,
            .cumulative = room,
            .token = model.config.bos(),
        };
    }

    /// The probabilities are valid until the next draw.
    pub fn next(sampler: *Sampler) !?Draw {
        const model = sampler.model;
        const tape = &model.tape;
        const bos = model.config.bos();
        const t = sampler.position;
        if (t == model.config.block or (t > 0 and sampler.token == bos)) return null;
        const cooled = try model.logits(t, sampler.token, 0, Unwatched{});
        const factor = tape.functions.pow(sampler.temperature, -1);
        for (tape.value(cooled)) |*logit| logit.* *= factor;
        const softmax = try model.softmaxOf(cooled);
        softmax.forward(tape);
        const probabilities = tape.value(try tape.room(model.config.vocabulary));
        softmax.all(tape, probabilities);
        sampler.token = @intCast(try sampler.generator.choice(probabilities, sampler.cumulative));
        sampler.position += 1;
        return .{ .probabilities = probabilities, .token = sampler.token };
    }
};
