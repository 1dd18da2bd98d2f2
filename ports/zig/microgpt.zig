//! The rest of a GPT: random numbers, tokens, model, Adam, training, sampling (SPEC, sections 3, 4 and 6 to 10).

const std = @import("std");
const Allocator = std.mem.Allocator;
const exact = @import("exact.zig");
const Graph = @import("graph.zig").Graph;
const Span = @import("graph.zig").Span;

/// The Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), used as Python uses it.
pub const Generator = struct {
    words: [624]u32,
    index: usize = 624,
    kept: ?f64 = null, // every other result of `gauss` waits here
    pub fn seeded(seed: u32) Generator {
        var mt: [624]u32 = undefined;
        mt[0] = 19650218;
        for (1..624) |i| mt[i] = 1812433253 *% (mt[i - 1] ^ mt[i - 1] >> 30) +% @as(u32, @intCast(i));
        var i: u32 = 1;
        for (0..2 * 624 - 1) |round| {
            const mixed = mt[i - 1] ^ mt[i - 1] >> 30;
            mt[i] = if (round < 624) (mt[i] ^ mixed *% 1664525) +% seed else (mt[i] ^ mixed *% 1566083941) -% i;
            i = i % 623 + 1;
            if (i == 1) mt[0] = mt[623];
        }
        mt[0] = 1 << 31;
        return .{ .words = mt };
    }
    pub fn word(generator: *Generator) u32 {
        const mt = &generator.words;
        if (generator.index == 624) {
            for (mt, 0..) |*w, i| {
                const y = (w.* & 1 << 31) | (mt[(i + 1) % 624] & (1 << 31) - 1);
                w.* = mt[(i + 397) % 624] ^ y >> 1 ^ (y & 1) * 0x9908b0df;
            }
            generator.index = 0;
        }
        var y = mt[generator.index];
        generator.index += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c5680;
        y ^= y << 15 & 0xefc60000;
        return y ^ y >> 18;
    }
    pub fn random(generator: *Generator) f64 {
        const a: f64, const b: f64 = .{ @floatFromInt(generator.word() >> 5), @floatFromInt(generator.word() >> 6) };
        return (a * 0x1p26 + b) / 0x1p53;
    }
    /// A normal number of mean 0 (Box and Muller, 1958).
    pub fn gauss(generator: *Generator, sigma: f64) f64 {
        const kept = generator.kept;
        generator.kept = null;
        if (kept) |z| return 0.0 + z * sigma;
        const angle = generator.random() * (2.0 * std.math.pi);
        const radius = @sqrt(-2.0 * exact.log(1.0 - generator.random()));
        generator.kept = exact.sin(angle) * radius;
        return 0.0 + exact.cos(angle) * radius * sigma;
    }
    pub fn shuffle(generator: *Generator, T: type, items: []T) void {
        var n: u32 = @intCast(items.len);
        while (n > 1) : (n -= 1) {
            var below = n;
            while (below >= n) below = generator.word() >> @intCast(@clz(n));
            std.mem.swap(T, &items[n - 1], &items[below]);
        }
    }
    /// An index into the weights, of which there are at most 2048.
    pub fn choice(generator: *Generator, weights: []const f64) !u32 {
        var cumulative: [2048]f64, var total: f64 = .{ undefined, -0.0 };
        for (weights, cumulative[0..weights.len]) |weight, *sum| {
            total += weight;
            sum.* = total;
        }
        if (!(total > 0 and total < std.math.inf(f64))) return error.@"expected weights with a finite sum above 0";
        const u = generator.random() * total;
        var low: usize, var high = .{ 0, weights.len - 1 };
        while (low < high) {
            const middle = (low + high) / 2;
            if (u < cumulative[middle]) high = middle else low = middle + 1;
        }
        return @intCast(low);
    }
};

/// Strips lines of code points. Returns the distinct ones, whose places are their tokens, and the encoded documents.
pub fn tokenize(arena: Allocator, lines: [][]const u21) !struct { []const u21, [][]u32 } {
    var characters: std.ArrayList(u21) = .empty;
    var documents: std.ArrayList([]u32) = .empty;
    const token_of = try arena.alloc(u32, 0x110000);
    @memset(token_of, 0);
    for (lines) |*line| {
        line.* = std.mem.trim(u21, line.*, &.{ 9, 10, 11, 12, 13, 32 });
        for (line.*) |character| token_of[character] = 1;
    }
    for (token_of, 0..) |*token, character| if (token.* == 1) {
        token.* = @intCast(characters.items.len);
        try characters.append(arena, @intCast(character));
    };
    for (lines) |line| if (line.len > 0) {
        const document = try arena.alloc(u32, line.len + 2);
        @memset(document, @intCast(characters.items.len));
        for (line, document[1..][0..line.len]) |character, *token| token.* = token_of[character];
        try documents.append(arena, document);
    };
    if (documents.items.len == 0) return error.@"the dataset has no documents: every line is empty";
    if (characters.items.len > 2047) return error.@"the dataset has more than 2047 distinct characters";
    return .{ characters.items, documents.items };
}

/// The defaults, here and in Optimizer, are those of the preset `seed`.
pub const Shape = struct {
    layers: u32 = 1,
    heads: u32 = 4,
    embedding: u32 = 16,
    block: u32 = 8,
    vocabulary: u32 = 0,
    activation: enum { relu, squared_relu } = .squared_relu,
};
pub const Matrix = struct { name: []const u8, columns: u32, span: Span }; // parameters are the graph's first nodes
const name = [_][]const u8{ "wte", "wpe", "lm_head", "attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2" };
pub const Model = struct {
    shape: Shape,
    attention: []const []const u32, // for each position
    graph: Graph,
    matrices: []Matrix = &.{},
    parameters: Span = .{ .first = 0, .len = 0 },
    m: []f64 = &.{},
    v: []f64 = &.{},
    cache: [][2]Span = &.{}, // keys and values, at position * layers + layer
    /// What `loss` computes, under the names of SPEC, section 12.
    trace: ?std.ArrayList(struct { []const u8, Span }) = null,
    pub fn init(arena: Allocator, shape: Shape, attention: []const []const u32) !Model {
        var model: Model = .{ .shape = shape, .attention = attention, .graph = .{ .arena = arena } };
        model.cache = try arena.alloc([2]Span, shape.block * shape.layers);
        model.matrices = try arena.alloc(Matrix, 3 + 6 * shape.layers);
        for (model.matrices, 0..) |*matrix, k| {
            const kind, const e = .{ if (k < 3) k else 3 + (k - 3) % 6, shape.embedding };
            const layered = try std.fmt.allocPrint(arena, "layer{d}.{s}", .{ (k -| 3) / 6, name[kind] });
            const rows = ([_]u32{ shape.vocabulary, shape.block, shape.vocabulary, e, e, e, e, 4 * e, e })[kind];
            const span: Span = .{ .first = model.parameters.len, .len = rows * if (kind == 8) 4 * e else e };
            matrix.* = .{ .name = if (k < 3) name[k] else layered, .columns = span.len / rows, .span = span };
            model.parameters.len += span.len;
        }
        return model;
    }
    pub fn set(model: *Model, parameters: []const f64) !void {
        for (parameters) |number| _ = try model.graph.leaf(number);
        const moments = try model.graph.arena.alloc(f64, 2 * parameters.len);
        @memset(moments, 0);
        model.m, model.v = .{ moments[0..parameters.len], moments[parameters.len..] };
    }
    fn note(model: *Model, comptime format: []const u8, indices: anytype, span: Span) !Span {
        const arena = model.graph.arena;
        if (model.trace) |*trace| try trace.append(arena, .{ try std.fmt.allocPrint(arena, format, indices), span });
        return span;
    }
    fn linear(model: *Model, x: Span, weights: Matrix) !Span {
        const start = model.graph.nodes.len;
        for (0..weights.span.len / x.len) |i| _ = try model.graph.dot(weights.span.part(i * x.len, x.len), x);
        return model.graph.since(start);
    }
    fn attend(model: *Model, t: usize, i: usize, q: Span) !Span {
        const graph, const shape, const positions = .{ &model.graph, model.shape, model.attention[t] };
        const size = shape.embedding / shape.heads;
        const factor = try graph.leaf(1 / @sqrt(@as(f64, @floatFromInt(size))));
        var scores: [64]Span, var weights: [64]Span = .{ undefined, undefined };
        for (0..shape.heads) |h| {
            const start = graph.nodes.len;
            for (positions) |s|
                _ = try graph.dot(q.part(h * size, size), model.cache[s * shape.layers + i][0].part(h * size, size));
            scores[h] = try graph.map(.mul, graph.since(start), factor);
            weights[h] = try graph.softmax(scores[h]);
        }
        var mixed = try graph.leaf(0);
        for (positions, 0..) |s, n| {
            const start = graph.nodes.len;
            for (weights[0..shape.heads], 0..) |weight, h|
                _ = try graph.map(.mul, weight.part(n, 1), model.cache[s * shape.layers + i][1].part(h * size, size));
            mixed = try graph.map(.add, mixed, graph.since(start));
        }
        for (0..shape.heads) |h| {
            const parts = .{ scores[h], weights[h], mixed.part(h * size, size) };
            inline for (.{ "scores", "weights", "mixed" }, parts) |part, span|
                _ = try model.note("pos{d}.layer{d}.head{d}." ++ part, .{ t, i, h }, span);
        }
        return mixed;
    }
    /// The logits for what follows `token` at position t.
    fn forward(model: *Model, t: usize, token: u32) !Span {
        const graph = &model.graph;
        const wte, const wpe, const lm_head = model.matrices[0..3].*;
        const e = model.shape.embedding;
        const both = try graph.map(.add, wte.span.part(token * e, e), wpe.span.part(t * e, e));
        const embedded = try model.note("pos{d}.embedded", .{t}, both);
        var x = try model.note("pos{d}.normed", .{t}, try graph.rmsnorm(embedded));
        for (0..model.shape.layers) |i| {
            const at = .{ t, i };
            const wq, const wk, const wv, const wo, const fc1, const fc2 = model.matrices[3 + 6 * i ..][0..6].*;
            const attn_norm = try model.note("pos{d}.layer{d}.attn_norm", at, try graph.rmsnorm(x));
            const q = try model.note("pos{d}.layer{d}.q", at, try model.linear(attn_norm, wq));
            const k = try model.note("pos{d}.layer{d}.k", at, try model.linear(attn_norm, wk));
            const v = try model.note("pos{d}.layer{d}.v", at, try model.linear(attn_norm, wv));
            model.cache[t * model.shape.layers + i] = .{ k, v };
            const out = try model.note("pos{d}.layer{d}.attn_out", at, try model.linear(try model.attend(t, i, q), wo));
            x = try model.note("pos{d}.layer{d}.attn_residual", at, try graph.map(.add, out, x));
            const mlp_norm = try model.note("pos{d}.layer{d}.mlp_norm", at, try graph.rmsnorm(x));
            const hidden = try model.note("pos{d}.layer{d}.hidden", at, try model.linear(mlp_norm, fc1));
            const two = try graph.leaf(2);
            var activated = try graph.map(.relu, hidden, two);
            if (model.shape.activation == .squared_relu) activated = try graph.map(.pow, activated, two);
            _ = try model.note("pos{d}.layer{d}.activated", at, activated);
            const mlp_out = try model.note("pos{d}.layer{d}.mlp_out", at, try model.linear(activated, fc2));
            x = try model.note("pos{d}.layer{d}.mlp_residual", at, try graph.map(.add, mlp_out, x));
        }
        return model.note("pos{d}.logits", .{t}, try model.linear(x, lm_head));
    }
    /// The mean over a document's positions of -log p(next token).
    pub fn loss(model: *Model, document: []const u32) !Span {
        const graph = &model.graph;
        const count = @min(model.shape.block, document.len - 1);
        graph.nodes.shrinkRetainingCapacity(model.parameters.len);
        var total = try graph.leaf(0);
        for (0..count) |t| {
            const logits = try model.forward(t, document[t]);
            const probabilities = try model.note("pos{d}.probabilities", .{t}, try graph.softmax(logits));
            const minus_one = try graph.leaf(-1);
            const log = try graph.map(.log, probabilities.part(document[t + 1], 1), minus_one);
            const term = try model.note("pos{d}.loss", .{t}, try graph.map(.mul, log, minus_one));
            total = try graph.map(.add, total, term);
        }
        return graph.map(.mul, total, try graph.leaf(1 / @as(f64, @floatFromInt(count))));
    }
    /// One step. Returns the loss before it.
    pub fn train(model: *Model, optimizer: Optimizer, step: usize, document: []const u32) !f64 {
        const graph, const all = .{ &model.graph, model.parameters };
        const result = try model.loss(document);
        try graph.backward(result);
        _ = optimizer.update(step, graph.get(.value, all), graph.get(.slope, all), model.m, model.v);
        return graph.get(.value, result)[0];
    }
    /// The probabilities of what follows `token` at position t, valid until the next call.
    pub fn predict(model: *Model, t: usize, token: u32, temperature: f64) ![]const f64 {
        const graph = &model.graph;
        if (t == 0) graph.nodes.shrinkRetainingCapacity(model.parameters.len);
        const cooled = try graph.map(.mul, try model.forward(t, token), try graph.leaf(1 / temperature));
        return graph.get(.value, try graph.softmax(cooled));
    }
};

/// Adam (Kingma and Ba, 2015) with a learning rate that falls.
pub const Optimizer = struct {
    learning_rate: f64 = 0.01,
    beta1: f64 = 0.9,
    beta2: f64 = 0.95,
    epsilon: f64 = 1e-8,
    schedule: enum { linear, cosine } = .cosine,
    steps: u32 = 500,
    /// Returns the rate, and what m and v were divided by because they started at zero.
    pub fn update(o: Optimizer, step: usize, ps: []f64, gs: []const f64, ms: []f64, vs: []f64) [3]f64 {
        const s: f64, const n: f64 = .{ @floatFromInt(step), @floatFromInt(o.steps) };
        const wave = exact.cos(std.math.pi * s / n);
        const rate = if (o.schedule == .linear) o.learning_rate * (1 - s / n) else o.learning_rate * 0.5 * (1 + wave);
        const correction1, const correction2 = .{ 1 - exact.pow(o.beta1, s + 1), 1 - exact.pow(o.beta2, s + 1) };
        for (ps, gs, ms, vs) |*p, g, *m, *v| {
            m.* = o.beta1 * m.* + (1 - o.beta1) * g;
            v.* = o.beta2 * v.* + (1 - o.beta2) * (g * g);
            p.* -= rate * (m.* / correction1) / (exact.pow(v.* / correction2, 0.5) + o.epsilon);
        }
        return .{ rate, correction1, correction2 };
    }
};

/// The second sigma is for the initial attn_wo and mlp_fc2.
pub const Preset = struct { shape: Shape = .{}, optimizer: Optimizer = .{}, sigmas: [2]f64, samples: u32 = 20 };
pub const PresetName = enum { seed, classic };
pub const presets: std.EnumArray(PresetName, Preset) = .init(.{ .seed = .{ .sigmas = .{ 0.02, 0 } }, .classic = .{
    .shape = .{ .block = 16, .activation = .relu },
    .optimizer = .{ .beta1 = 0.85, .beta2 = 0.99, .schedule = .linear, .steps = 1000 },
    .sigmas = .{ 0.08, 0.08 },
} });

/// Trains, samples, and writes what the original program prints.
pub fn run(arena: Allocator, settings: Preset, lines: [][]const u21, out: *std.Io.Writer) !struct { Model, Generator } {
    var generator: Generator = .seeded(42);
    const characters, const documents = try tokenize(arena, lines);
    generator.shuffle([]u32, documents);
    const bos: u32 = @intCast(characters.len);
    var preset = settings;
    preset.shape.vocabulary = bos + 1;
    const attention = try arena.alloc([]const u32, preset.shape.block);
    for (attention, 1..) |*positions, n| positions.* = @as([]const u32, &std.simd.iota(u32, 16))[0..n];
    var model: Model = try .init(arena, preset.shape, attention);
    var parameters: std.ArrayList(f64) = .empty;
    for (model.matrices) |matrix| {
        const output = std.mem.endsWith(u8, matrix.name, "attn_wo") or std.mem.endsWith(u8, matrix.name, "mlp_fc2");
        for (0..matrix.span.len) |_|
            try parameters.append(arena, generator.gauss(preset.sigmas[@intFromBool(output)]));
    }
    try model.set(parameters.items);
    const steps, const sizes = .{ preset.optimizer.steps, .{ documents.len, bos + 1, model.parameters.len } };
    try out.print("num docs: {d}\nvocab size: {d}\nnum params: {d}\n", sizes);
    for (0..steps) |step| {
        const loss = try model.train(preset.optimizer, step, documents[step % documents.len]);
        try out.print("step {d:>4} / {d:>4} | loss {s}\n", .{ step + 1, steps, try decimals(arena, loss) });
        try out.flush();
    }
    try out.writeAll("\n--- inference (new, hallucinated names) ---\n");
    for (0..preset.samples) |number| {
        try out.print("sample {d:>2}: ", .{number + 1});
        var token = bos;
        for (0..preset.shape.block) |t| {
            token = try generator.choice(try model.predict(t, token, 0.5));
            if (token == bos) break;
            try out.print("{u}", .{characters[token]});
        }
        try out.writeByte('\n');
    }
    try out.flush();
    return .{ model, generator };
}

/// Four decimals, rounded once, ties to even. For sizes up to 2^53, infinities and NaN.
pub fn decimals(arena: Allocator, number: f64) ![]const u8 {
    const size: f128, const sign = .{ @abs(number), if (std.math.signbit(number)) "-" else "" };
    if (!std.math.isFinite(number)) return if (number > 0) "inf" else if (number < 0) "-inf" else "nan";
    const rounded: u128 = @intFromFloat(size * 10_000 + 0x1p112 - 0x1p112); // the product is exact
    return std.fmt.allocPrint(arena, "{s}{d}.{d:0>4}", .{ sign, rounded / 10_000, rounded % 10_000 });
}
