//! The whole of a GPT: random numbers, tokenizer, autograd, model, Adam, training, sampling. SPEC, sections 3
//! to 10. Not here: how any of it is asked for.

const std = @import("std");
const Allocator = std.mem.Allocator;
const endsWith = std.mem.endsWith;
const Writer = std.Io.Writer;
const exact = @import("exact.zig");

pub const Error = error{ OutOfMemory, NoDocuments, TooManyCharacters, NoProbabilities };

// ---------------------------------------------------------------- random numbers

/// The Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), used as Python uses it.
pub const Generator = struct {
    words: [size]u32,
    /// How many of the words are used up.
    index: usize = size,
    /// Every other result of `gauss` waits here for the next call.
    kept: ?f64 = null,

    pub const size = 624;

    pub fn seeded(seed: u32) Generator {
        var mt: [size]u32 = undefined;
        mt[0] = 19650218;
        for (1..size) |i| mt[i] = 1812433253 *% (mt[i - 1] ^ mt[i - 1] >> 30) +% @as(u32, @intCast(i));
        var i: u32 = 1;
        for (0..2 * size - 1) |round| {
            const mixed = mt[i - 1] ^ mt[i - 1] >> 30;
            mt[i] = if (round < size) (mt[i] ^ mixed *% 1664525) +% seed else (mt[i] ^ mixed *% 1566083941) -% i;
            i += 1;
            if (i < size) continue;
            mt[0] = mt[size - 1];
            i = 1;
        }
        mt[0] = 1 << 31;
        return .{ .words = mt };
    }

    pub fn word(generator: *Generator) u32 {
        const mt = &generator.words;
        if (generator.index == size) {
            for (mt, 0..) |*w, i| {
                const y = (w.* & 1 << 31) | (mt[(i + 1) % size] & (1 << 31) - 1);
                w.* = mt[(i + 397) % size] ^ y >> 1 ^ (y & 1) * 0x9908b0df;
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

    /// One of the multiples of 2^-53 in [0, 1).
    pub fn random(generator: *Generator) f64 {
        const high: f64 = @floatFromInt(generator.word() >> 5);
        const low: f64 = @floatFromInt(generator.word() >> 6);
        return (high * 0x1p26 + low) / 0x1p53;
    }

    /// A normal number of mean 0 (Box and Muller, 1958).
    pub fn gauss(generator: *Generator, sigma: f64) f64 {
        if (generator.kept) |z| {
            generator.kept = null;
            return 0.0 + z * sigma;
        }
        const angle = generator.random() * (2.0 * std.math.pi);
        const radius = @sqrt(-2.0 * exact.log(1.0 - generator.random()));
        generator.kept = exact.sin(angle) * radius;
        return 0.0 + exact.cos(angle) * radius * sigma;
    }

    fn below(generator: *Generator, n: u32) u32 {
        while (true) {
            const drawn = generator.word() >> @intCast(@clz(n));
            if (drawn < n) return drawn;
        }
    }

    pub fn shuffle(generator: *Generator, comptime T: type, items: []T) void {
        var i = items.len;
        while (i > 1) {
            i -= 1;
            std.mem.swap(T, &items[i], &items[generator.below(@intCast(i + 1))]);
        }
    }

    /// An index into the weights. `cumulative` is room for as many numbers.
    pub fn choice(generator: *Generator, weights: []const f64, cumulative: []f64) Error!u32 {
        var total: f64 = -0.0;
        for (weights, cumulative) |weight, *sum| {
            total += weight;
            sum.* = total;
        }
        if (!(total > 0 and total < std.math.inf(f64))) return error.NoProbabilities;
        const u = generator.random() * total;
        var low: usize = 0;
        var high = weights.len - 1;
        while (low < high) {
            const middle = (low + high) / 2;
            if (u < cumulative[middle]) high = middle else low = middle + 1;
        }
        return @intCast(low);
    }
};

// ---------------------------------------------------------------- tokenizer

/// Unicode code points.
pub const Text = []const u21;

/// The distinct characters, sorted. Their places are their tokens; BOS comes after them.
pub fn charactersOf(arena: Allocator, documents: []const Text) Error!Text {
    if (documents.len == 0) return error.NoDocuments;
    const seen = try arena.create(std.StaticBitSet(1 << 21));
    seen.* = .empty;
    for (documents) |document| for (document) |character| seen.set(character);
    if (seen.count() > 2047) return error.TooManyCharacters;
    const characters = try arena.alloc(u21, seen.count());
    var places = seen.iterator(.{});
    for (characters) |*character| character.* = @intCast(places.next().?);
    return characters;
}

pub fn encode(arena: Allocator, characters: Text, document: Text) Error![]u32 {
    const tokens = try arena.alloc(u32, document.len + 2);
    @memset(tokens, @intCast(characters.len));
    for (document, tokens[1 .. tokens.len - 1]) |character, *token|
        token.* = @intCast(std.sort.lowerBound(u21, characters, character, order));
    return tokens;
}

fn order(a: u21, b: u21) std.math.Order {
    return std.math.order(a, b);
}

/// The stripped lines that are not empty.
pub fn documentsOf(arena: Allocator, lines: []const Text) Error![]Text {
    var documents: std.ArrayList(Text) = .empty;
    for (lines) |line| {
        const document = std.mem.trim(u21, line, &.{ 9, 10, 11, 12, 13, 32 });
        if (document.len > 0) try documents.append(arena, document);
    }
    return documents.items;
}

// ---------------------------------------------------------------- autograd

pub const Id = u32;

/// A vector of nodes: those made one after the other, or with a stride of 0 one that stands for many.
pub const Span = struct {
    first: Id,
    len: u32 = 1,
    stride: u32 = 1,

    pub fn part(span: Span, from: usize, len: usize) Span {
        return .{ .first = span.first + @as(Id, @intCast(from)), .len = @intCast(len) };
    }

    fn repeated(span: Span, len: u32) Span {
        return .{ .first = span.first, .len = len, .stride = 0 };
    }
};

/// Numbers that know what they are made of. A sum or a dot product is one node (SPEC, section 5).
pub const Graph = struct {
    arena: Allocator,
    /// The first nodes, all leaves.
    parameters: u32 = 0,
    nodes: Nodes.Slice = .empty,
    /// The depth-first post-order, and the path from the root while that is made.
    order: std.ArrayList(Id) = .empty,
    path: std.ArrayList(struct { id: Id, seen: u32 = 0 }) = .empty,

    const Nodes = std.MultiArrayList(Node);
    const Node = struct { value: f64, gradient: f64, source: Source, visited: bool };

    pub const Kind = enum { leaf, add, mul, pow, log, exp, relu, sum, dot };

    /// The children are a, b, a + 1, b + 1, ...: `count` pairs. Where there is but one list, b is a.
    const Source = struct { kind: Kind, a: Id, b: Id, count: u32 = 1, exponent: f32 = 0 };

    pub fn values(graph: *const Graph, span: Span) []f64 {
        return graph.nodes.items(.value)[span.first..][0..span.len];
    }

    inline fn append(graph: *Graph, number: f64, source: Source) !Span {
        const id = std.math.cast(Id, graph.nodes.len) orelse return error.OutOfMemory;
        if (id == graph.nodes.capacity) {
            var longer = graph.nodes.toMultiArrayList();
            try longer.ensureUnusedCapacity(graph.arena, 1);
            graph.nodes = longer.slice();
        }
        graph.nodes.len += 1;
        graph.nodes.items(.value)[id] = number;
        graph.nodes.items(.source)[id] = source;
        graph.nodes.items(.visited)[id] = source.kind == .leaf; // nothing is below it
        return .{ .first = id };
    }

    fn since(graph: *const Graph, first: usize) Span {
        return .{ .first = @intCast(first), .len = @intCast(graph.nodes.len - first) };
    }

    pub fn leaf(graph: *Graph, number: f64) !Span {
        return graph.append(number, .{ .kind = .leaf, .a = 0, .b = 0, .count = 0 });
    }

    /// A node for each element of a with that of b.
    pub fn map(graph: *Graph, comptime kind: Kind, a: Span, b: Span) !Span {
        const start = graph.nodes.len;
        for (0..a.len) |i| {
            const step: u32 = @intCast(i);
            const source: Source = .{ .kind = kind, .a = a.first + a.stride * step, .b = b.first + b.stride * step };
            const numbers = graph.nodes.items(.value);
            const x, const y = .{ numbers[source.a], numbers[source.b] };
            _ = try graph.append(switch (kind) {
                .add => x + y,
                .mul => x * y,
                .log => exact.log(x),
                .exp => exact.exp(x),
                .relu => if (x > 0) x else 0,
                else => comptime unreachable,
            }, source);
        }
        return graph.since(start);
    }

    pub fn pow(graph: *Graph, a: Span, exponent: f32) !Span {
        const start = graph.nodes.len;
        for (0..a.len) |i| {
            const id = a.first + a.stride * @as(u32, @intCast(i));
            const number = exact.pow(graph.nodes.items(.value)[id], exponent);
            _ = try graph.append(number, .{ .kind = .pow, .a = id, .b = id, .exponent = exponent });
        }
        return graph.since(start);
    }

    fn sum(graph: *Graph, a: Span) !Span {
        var total: f64 = 0;
        for (graph.values(a)) |x| total += x;
        return graph.append(total, .{ .kind = .sum, .a = a.first, .b = a.first, .count = a.len });
    }

    fn dot(graph: *Graph, a: Span, b: Span) !Span {
        var total: f64 = 0;
        for (graph.values(a), graph.values(b)) |x, y| total += x * y;
        return graph.append(total, .{ .kind = .dot, .a = a.first, .b = b.first, .count = a.len });
    }

    fn linear(graph: *Graph, x: Span, weights: Matrix) !Span {
        const start = graph.nodes.len;
        for (0..weights.rows) |i| _ = try graph.dot(weights.row(i), x);
        return graph.since(start);
    }

    /// No gain. (Zhang and Sennrich, 2019)
    fn rmsnorm(graph: *Graph, x: Span) !Span {
        const share = try graph.leaf(exact.pow(@floatFromInt(x.len), -1));
        const mean_square = try graph.map(.mul, try graph.dot(x, x), share);
        const scale = try graph.pow(try graph.map(.add, mean_square, try graph.leaf(1e-5)), -0.5);
        return graph.map(.mul, x, scale.repeated(x.len));
    }

    fn softmax(graph: *Graph, x: Span) !Span {
        var top = graph.values(x)[0];
        for (graph.values(x)) |number| top = if (number > top) number else top;
        const shift = try graph.leaf(-top);
        const shifted = try graph.map(.add, x, shift.repeated(x.len));
        const exps = try graph.map(.exp, shifted, shifted);
        const total = try graph.sum(exps);
        return graph.map(.mul, exps, try graph.pow(total.repeated(x.len), -1));
    }

    /// The gradient of every node: the derivative of the root by it. Once for each node that is made.
    pub fn backward(graph: *Graph, root: Id) !void {
        try graph.sort(root);
        const nodes = graph.nodes;
        const numbers, const slopes, const sources = .{ nodes.items(.value), nodes.items(.gradient), nodes.items(.source) };
        @memset(slopes, 0);
        slopes[root] = 1;
        var last: ?u128 = null; // the power of last time, since a softmax has many equal ones
        var slope: f64 = undefined;
        var i = graph.order.items.len;
        while (i > 0) {
            i -= 1;
            const id = graph.order.items[i];
            const a, const b, const g = .{ sources[id].a, sources[id].b, slopes[id] };
            switch (sources[id].kind) {
                .leaf => {},
                .add => {
                    slopes[a] += g;
                    slopes[b] += g;
                },
                .mul => {
                    slopes[a] += numbers[b] * g;
                    slopes[b] += numbers[a] * g;
                },
                .pow => {
                    const power: @Vector(2, f64) = .{ numbers[a], sources[id].exponent };
                    const bits: u128 = @bitCast(power); // zeros of both signs are equal, but not their powers
                    if (bits != last) slope = power[1] * exact.pow(power[0], power[1] - 1);
                    last = bits;
                    slopes[a] += slope * g;
                },
                .log => slopes[a] += 1 / numbers[a] * g,
                .exp => slopes[a] += numbers[id] * g,
                .relu => slopes[a] += if (numbers[a] > 0) g else 0 * g,
                .sum => for (slopes[a..][0..sources[id].count]) |*child| {
                    child.* += g;
                },
                .dot => {
                    var j: usize = 0;
                    inline for (.{ 8, 1 }) |lanes| while (j + lanes <= sources[id].count) : (j += lanes) {
                        const Lanes = @Vector(lanes, f64);
                        const x: Lanes = numbers[a + j ..][0..lanes].*;
                        const y: Lanes = numbers[b + j ..][0..lanes].*;
                        const by_x, const by_y = .{ slopes[a + j ..][0..lanes], slopes[b + j ..][0..lanes] };
                        by_x.* = @as(Lanes, by_x.*) + y * @as(Lanes, @splat(g));
                        by_y.* = @as(Lanes, by_y.*) + x * @as(Lanes, @splat(g)); // b may be a
                    };
                },
            }
        }
    }

    fn sort(graph: *Graph, root: Id) !void {
        const sources, const visited = .{ graph.nodes.items(.source), graph.nodes.items(.visited) };
        graph.order.clearRetainingCapacity();
        try graph.order.ensureTotalCapacity(graph.arena, graph.nodes.len);
        try graph.path.ensureTotalCapacity(graph.arena, graph.nodes.len);
        visited[root] = true;
        graph.path.appendAssumeCapacity(.{ .id = root });
        while (graph.path.items.len > 0) {
            const last = &graph.path.items[graph.path.items.len - 1];
            const source = sources[last.id];
            const next_a = if (source.a < graph.parameters) source.count else unvisited(visited, source.a, source.count, last.seen);
            const next_b = unvisited(visited, source.b, source.count, last.seen);
            last.seen = @min(next_a, next_b);
            if (last.seen == source.count) {
                graph.order.appendAssumeCapacity(last.id);
                _ = graph.path.pop();
                continue;
            }
            const child = last.seen + if (next_a <= next_b) source.a else source.b;
            visited[child] = true;
            graph.path.appendAssumeCapacity(.{ .id = child });
        }
    }

    inline fn unvisited(visited: []const bool, first: Id, count: u32, from: u32) u32 {
        var next = from;
        const eight: [8]u8 = @splat(@intFromBool(true));
        while (next + 8 <= count and std.mem.eql(u8, &eight, @ptrCast(visited[first + next ..][0..8]))) next += 8;
        while (next < count and visited[first + next]) next += 1;
        return next;
    }
};

// ---------------------------------------------------------------- model

pub const Shape = struct {
    layers: u32,
    heads: u32,
    embedding: u32,
    block: u32,
    vocabulary: u32,
    activation: enum { relu, squared_relu },

    /// In the order of their numbers, which are the first nodes.
    pub fn matrices(shape: Shape, arena: Allocator) ![]Matrix {
        const e = shape.embedding;
        var list: std.ArrayList(Matrix) = .empty;
        try list.append(arena, .{ .name = "wte", .rows = shape.vocabulary, .columns = e });
        try list.append(arena, .{ .name = "wpe", .rows = shape.block, .columns = e });
        try list.append(arena, .{ .name = "lm_head", .rows = shape.vocabulary, .columns = e });
        for (0..shape.layers) |i| {
            const names = .{ "attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2" };
            inline for (names, .{ 1, 1, 1, 1, 4, 1 }, .{ 1, 1, 1, 1, 1, 4 }) |name, rows, columns| {
                const full_name = try std.fmt.allocPrint(arena, "layer{d}." ++ name, .{i});
                try list.append(arena, .{ .name = full_name, .rows = rows * e, .columns = columns * e });
            }
        }
        for (list.items[0 .. list.items.len - 1], list.items[1..]) |before, *matrix|
            matrix.first = before.first + before.count();
        return list.items;
    }
};

pub const Matrix = struct {
    name: []const u8,
    rows: u32,
    columns: u32,
    first: Id = 0,

    pub fn count(matrix: Matrix) u32 {
        return matrix.rows * matrix.columns;
    }

    fn row(matrix: Matrix, i: usize) Span {
        return .{ .first = matrix.first + @as(u32, @intCast(i)) * matrix.columns, .len = matrix.columns };
    }
};

/// What the model computes at a position, under the names and in the order of SPEC, section 12.
pub const Position = struct {
    embedded: Span,
    normed: Span,
    layer: []Layer,
    logits: Span,
    probabilities: Span,
    loss: Span,
};

/// Later positions attend to k and v.
pub const Layer = struct {
    attn_norm: Span,
    q: Span,
    k: Span,
    v: Span,
    head: []Head,
    attn_out: Span,
    attn_residual: Span,
    mlp_norm: Span,
    hidden: Span,
    activated: Span,
    mlp_out: Span,
    mlp_residual: Span,
};

pub const Head = struct { scores: Span, weights: Span, mixed: Span };

pub const Model = struct {
    shape: Shape,
    /// For each position the positions to which it attends.
    attention: []const []const u32,
    matrices: []const Matrix,
    graph: Graph,
    pos: []Position,
    /// Room for a choice.
    cumulative: []f64,
    /// Of the last document: its positions, and the last of its nodes.
    filled: usize = 0,
    loss: Span = undefined,

    /// Without parameters.
    pub fn init(arena: Allocator, shape: Shape, attention: []const []const u32) !Model {
        const pos = try arena.alloc(Position, shape.block);
        for (pos) |*position| {
            position.layer = try arena.alloc(Layer, shape.layers);
            for (position.layer) |*layer| layer.head = try arena.alloc(Head, shape.heads);
        }
        return .{
            .shape = shape,
            .attention = attention,
            .matrices = try shape.matrices(arena),
            .graph = .{ .arena = arena },
            .pos = pos,
            .cumulative = try arena.alloc(f64, shape.vocabulary),
        };
    }

    pub fn set(model: *Model, numbers: []const f64) !void {
        for (numbers) |number| _ = try model.graph.leaf(number);
        model.graph.parameters = @intCast(numbers.len);
    }

    pub fn parameters(model: *const Model) []f64 {
        return model.graph.nodes.items(.value)[0..model.graph.parameters];
    }

    pub fn gradients(model: *const Model) []f64 {
        return model.graph.nodes.items(.gradient)[0..model.graph.parameters];
    }

    /// The heads' results side by side.
    fn attend(model: *Model, t: usize, i: usize) !Span {
        const graph = &model.graph;
        const layer = model.pos[t].layer[i];
        const positions = model.attention[t];
        const size = model.shape.embedding / model.shape.heads;
        const factor = try graph.leaf(exact.pow(exact.pow(@floatFromInt(size), 0.5), -1));
        for (layer.head, 0..) |*head, h| {
            const start = graph.nodes.len;
            for (positions) |s|
                _ = try graph.dot(layer.q.part(h * size, size), model.pos[s].layer[i].k.part(h * size, size));
            head.scores = try graph.map(.mul, graph.since(start), factor.repeated(@intCast(positions.len)));
            head.weights = try graph.softmax(head.scores);
        }
        const products = graph.nodes.len;
        for (0..model.shape.embedding) |j| for (positions, 0..) |s, n| {
            _ = try graph.map(.mul, layer.head[j / size].weights.part(n, 1), model.pos[s].layer[i].v.part(j, 1));
        };
        const mixed = graph.nodes.len;
        for (0..model.shape.embedding) |j|
            _ = try graph.sum(.{ .first = @intCast(products + j * positions.len), .len = @intCast(positions.len) });
        for (layer.head, 0..) |*head, h| head.mixed = graph.since(mixed).part(h * size, size);
        return graph.since(mixed);
    }

    /// The logits for what follows `token` at position t. A new document begins at 0.
    fn forward(model: *Model, t: usize, token: u32) !Span {
        const graph = &model.graph;
        if (t == 0) graph.nodes.len = graph.parameters;
        const wte, const wpe, const lm_head = model.matrices[0..3].*;
        const position = &model.pos[t];
        position.embedded = try graph.map(.add, wte.row(token), wpe.row(t));
        position.normed = try graph.rmsnorm(position.embedded);
        var x = position.normed;
        for (position.layer, 0..) |*layer, i| {
            const wq, const wk, const wv, const wo, const fc1, const fc2 = model.matrices[3 + 6 * i ..][0..6].*;
            layer.attn_norm = try graph.rmsnorm(x);
            layer.q = try graph.linear(layer.attn_norm, wq);
            layer.k = try graph.linear(layer.attn_norm, wk);
            layer.v = try graph.linear(layer.attn_norm, wv);
            layer.attn_out = try graph.linear(try model.attend(t, i), wo);
            layer.attn_residual = try graph.map(.add, layer.attn_out, x);

            layer.mlp_norm = try graph.rmsnorm(layer.attn_residual);
            layer.hidden = try graph.linear(layer.mlp_norm, fc1);
            layer.activated = try graph.map(.relu, layer.hidden, layer.hidden);
            if (model.shape.activation == .squared_relu) layer.activated = try graph.pow(layer.activated, 2);
            layer.mlp_out = try graph.linear(layer.activated, fc2);
            layer.mlp_residual = try graph.map(.add, layer.mlp_out, layer.attn_residual);
            x = layer.mlp_residual;
        }
        position.logits = try graph.linear(x, lm_head);
        return position.logits;
    }

    /// The mean over a document's positions of -log p(next token).
    pub fn documentLoss(model: *Model, document: []const u32) !f64 {
        const graph = &model.graph;
        model.filled = @min(model.pos.len, document.len - 1);
        const positions = model.pos[0..model.filled];
        for (positions, 0..) |*position, t| {
            position.probabilities = try graph.softmax(try model.forward(t, document[t]));
            const likelihood = position.probabilities.part(document[t + 1], 1);
            position.loss = try graph.map(.log, likelihood, likelihood);
        }
        const minus_one = try graph.leaf(-1);
        const share = try graph.leaf(1 / @as(f64, @floatFromInt(positions.len)));
        const start = graph.nodes.len;
        for (positions) |*position| position.loss = try graph.map(.mul, position.loss, minus_one);
        model.loss = try graph.map(.mul, try graph.sum(graph.since(start)), share);
        return graph.values(model.loss)[0];
    }
};

/// Draws one token after the other until BOS, which is drawn too, or the end of the block.
pub const Sampler = struct {
    model: *Model,
    generator: *Generator,
    temperature: f64,
    position: usize = 0,
    token: ?u32 = null,

    /// The probabilities are valid until the next draw.
    pub fn next(sampler: *Sampler) !?struct { token: u32, probabilities: []const f64 } {
        const model = sampler.model;
        const bos = model.shape.vocabulary - 1;
        if (sampler.position == model.pos.len or sampler.token == bos) return null;
        const logits = try model.forward(sampler.position, sampler.token orelse bos);
        const factor = try model.graph.leaf(exact.pow(sampler.temperature, -1));
        const cooled = try model.graph.map(.mul, logits, factor.repeated(logits.len));
        const probabilities = model.graph.values(try model.graph.softmax(cooled));
        const token = try sampler.generator.choice(probabilities, model.cumulative);
        sampler.token = token;
        sampler.position += 1;
        return .{ .token = token, .probabilities = probabilities };
    }
};

// ---------------------------------------------------------------- training

/// Adam (Kingma and Ba, 2015) with a learning rate that falls.
pub const Optimizer = struct {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    schedule: enum { linear, cosine },
    steps: u32,

    pub fn rate(optimizer: Optimizer, step: u32) f64 {
        const s: f64 = @floatFromInt(step);
        const n: f64 = @floatFromInt(optimizer.steps);
        return switch (optimizer.schedule) {
            .linear => optimizer.learning_rate * (1 - s / n),
            .cosine => optimizer.learning_rate * 0.5 * (1 + exact.cos(std.math.pi * s / n)),
        };
    }

    /// What m and v are divided by, because they started at zero.
    pub fn corrections(optimizer: Optimizer, step: u32) [2]f64 {
        const s: f64 = @floatFromInt(step);
        return .{ 1 - exact.pow(optimizer.beta1, s + 1), 1 - exact.pow(optimizer.beta2, s + 1) };
    }

    pub fn update(optimizer: Optimizer, step: u32, parameters: []f64, gradients: []const f64, ms: []f64, vs: []f64) void {
        const learning_rate = optimizer.rate(step);
        const correction1, const correction2 = optimizer.corrections(step);
        var i: usize = 0;
        inline for (.{ 4, 1 }) |lanes| while (i + lanes <= parameters.len) : (i += lanes) {
            const Lanes = @Vector(lanes, f64);
            const p: Lanes, const g: Lanes = .{ parameters[i..][0..lanes].*, gradients[i..][0..lanes].* };
            var m: Lanes, var v: Lanes = .{ ms[i..][0..lanes].*, vs[i..][0..lanes].* };
            m = all(lanes, optimizer.beta1) * m + all(lanes, 1 - optimizer.beta1) * g;
            v = all(lanes, optimizer.beta2) * v + all(lanes, 1 - optimizer.beta2) * (g * g);
            const v_hat = v / all(lanes, correction2);
            const root = @sqrt(@select(f64, v_hat == all(lanes, -std.math.inf(f64)), -v_hat, v_hat)) + all(lanes, 0);
            const change = all(lanes, learning_rate) * (m / all(lanes, correction1)) / (root + all(lanes, optimizer.epsilon));
            ms[i..][0..lanes].* = m;
            vs[i..][0..lanes].* = v;
            parameters[i..][0..lanes].* = p - change;
        };
    }

    fn all(comptime lanes: usize, x: f64) @Vector(lanes, f64) {
        return @splat(x);
    }
};

pub const Training = struct {
    model: Model,
    optimizer: Optimizer,
    m: []f64,
    v: []f64,
    step: u32 = 0,

    pub fn init(arena: Allocator, model: Model, optimizer: Optimizer) !Training {
        const m, const v = .{ try arena.alloc(f64, model.graph.parameters), try arena.alloc(f64, model.graph.parameters) };
        @memset(m, 0);
        @memset(v, 0);
        return .{ .model = model, .optimizer = optimizer, .m = m, .v = v };
    }

    /// One step on one of the documents. Returns the loss before it.
    pub fn advance(training: *Training, documents: []const []const u32) !f64 {
        const model = &training.model;
        const loss = try model.documentLoss(documents[training.step % documents.len]);
        try model.graph.backward(model.loss.first);
        training.optimizer.update(training.step, model.parameters(), model.gradients(), training.m, training.v);
        training.step += 1;
        return loss;
    }
};

// ---------------------------------------------------------------- a whole run

pub const Preset = struct {
    shape: Shape,
    optimizer: Optimizer,
    /// Of the initial parameters, and of those of attn_wo and mlp_fc2.
    sigma: f64,
    output_sigma: f64,
    samples: u32 = 20,
};

pub const PresetName = enum { seed, classic };

/// The vocabulary is the dataset's.
pub const presets: std.EnumArray(PresetName, Preset) = .init(.{
    .seed = .{
        .shape = .{ .layers = 1, .heads = 4, .embedding = 16, .block = 8, .vocabulary = 0, .activation = .squared_relu },
        .optimizer = .{ .learning_rate = 0.01, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .schedule = .cosine, .steps = 500 },
        .sigma = 0.02,
        .output_sigma = 0,
    },
    .classic = .{
        .shape = .{ .layers = 1, .heads = 4, .embedding = 16, .block = 16, .vocabulary = 0, .activation = .relu },
        .optimizer = .{ .learning_rate = 0.01, .beta1 = 0.85, .beta2 = 0.99, .epsilon = 1e-8, .schedule = .linear, .steps = 1000 },
        .sigma = 0.08,
        .output_sigma = 0.08,
    },
});

/// Shuffling, parameters and samples share one stream of random numbers.
pub const Run = struct {
    samples: u32,
    characters: Text,
    documents: []const []const u32,
    generator: Generator,
    training: Training,

    pub fn init(arena: Allocator, preset: Preset, lines: []const Text) !Run {
        var generator: Generator = .seeded(42);
        const documents = try documentsOf(arena, lines);
        generator.shuffle(Text, documents);
        const characters = try charactersOf(arena, documents);
        const encoded = try arena.alloc([]const u32, documents.len);
        for (encoded, documents) |*tokens, document| tokens.* = try encode(arena, characters, document);

        var shape = preset.shape;
        shape.vocabulary = @intCast(characters.len + 1);
        const attention = try arena.alloc([]const u32, shape.block);
        for (attention, 1..) |*positions, count| {
            const list = try arena.alloc(u32, count);
            for (list, 0..) |*position, s| position.* = @intCast(s);
            positions.* = list;
        }
        var model: Model = try .init(arena, shape, attention);
        var numbers: std.ArrayList(f64) = .empty;
        for (model.matrices) |matrix| {
            const output = endsWith(u8, matrix.name, "attn_wo") or endsWith(u8, matrix.name, "mlp_fc2");
            for (try numbers.addManyAsSlice(arena, matrix.count())) |*number|
                number.* = generator.gauss(if (output) preset.output_sigma else preset.sigma);
        }
        try model.set(numbers.items);
        const training: Training = try .init(arena, model, preset.optimizer);
        return .{
            .samples = preset.samples,
            .characters = characters,
            .documents = encoded,
            .generator = generator,
            .training = training,
        };
    }

    /// Train and sample, and write what the original program prints.
    pub fn perform(run: *Run, writer: *Writer) (Error || Writer.Error)!void {
        const model = &run.training.model;
        const steps = run.training.optimizer.steps;
        const sizes = .{ run.documents.len, model.shape.vocabulary, model.graph.parameters };
        try writer.print("num docs: {d}\nvocab size: {d}\nnum params: {d}\n", sizes);
        for (1..steps + 1) |step| {
            const loss: Decimals = .{ .number = try run.training.advance(run.documents) };
            try writer.print("step {d:>4} / {d:>4} | loss {f}\n", .{ step, steps, loss });
            try writer.flush();
        }
        try writer.writeAll("\n--- inference (new, hallucinated names) ---\n");
        for (1..run.samples + 1) |number| {
            try writer.print("sample {d:>2}: ", .{number});
            var sampler: Sampler = .{ .model = model, .generator = &run.generator, .temperature = 0.5 };
            while (try sampler.next()) |draw|
                if (draw.token < run.characters.len) try writer.print("{u}", .{run.characters[draw.token]});
            try writer.writeByte('\n');
        }
        try writer.flush();
    }
};

/// Prints with four decimals, rounded once from the true value, ties to even. For sizes up to 2^53, infinities
/// and NaN.
pub const Decimals = struct {
    number: f64,

    pub fn format(decimals: Decimals, writer: *Writer) Writer.Error!void {
        const size = @abs(decimals.number);
        if (std.math.isNan(size)) return writer.writeAll("nan");
        if (std.math.signbit(decimals.number)) try writer.writeByte('-');
        if (std.math.isInf(size)) return writer.writeAll("inf");
        const product = @as(f128, size) * 10_000; // of 53 and 14 bits: exact
        var rounded: u128 = @intFromFloat(product);
        const rest = product - @as(f128, @floatFromInt(rounded));
        if (rest > 0.5 or (rest == 0.5 and rounded % 2 == 1)) rounded += 1;
        try writer.print("{d}.{d:0>4}", .{ rounded / 10_000, rounded % 10_000 });
    }
};
