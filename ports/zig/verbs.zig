//! What each verb of the protocol does: the function of its name reads the request and writes the reply. SPEC,
//! section 12.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Writer = std.Io.Writer;
const exact = @import("exact.zig");
const microgpt = @import("microgpt.zig");
const wire = @import("wire.zig");
const Math = wire.Math;
const Request = wire.Request;
const Span = microgpt.Span;

const Verb = enum { hello, arith, math, random, tokens, graph, forward, backward, adam, train, sample, run };

pub const Error = wire.Error || microgpt.Error || Writer.Error;

/// Does what the request asks for, after its first line. All memory is the arena's.
pub fn answer(verb: []const u8, arena: Allocator, request: *Request, reply: *Writer) Error!void {
    switch (std.meta.stringToEnum(Verb, verb) orelse return error.Unsupported) {
        inline else => |known| try @field(@This(), @tagName(known))(arena, request, reply),
    }
    if (request.more()) return request.fail("expected end and another line came", .{});
}

fn hello(_: Allocator, _: *Request, reply: *Writer) Error!void {
    try reply.writeAll("name zig\nprotocol 1\nverbs");
    for (std.enums.values(Verb)) |verb| try reply.print(" {t}", .{verb});
    try reply.writeAll("\nmath exact\n");
}

fn arith(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    while (true) {
        const key = try request.key(enum { add, sub, mul, div, sqrt, muladd, sum, dot, decimals });
        const least: usize, const most: usize = switch (key) {
            .sqrt, .decimals => .{ 1, 1 },
            .add, .sub, .mul, .div => .{ 2, 2 },
            .muladd => .{ 3, 3 },
            .sum => .{ 1, wire.line_limit },
            .dot => .{ 2, wire.line_limit },
        };
        var line = try request.values(@tagName(key), least, most);
        const x = try arena.alloc(f64, line.count);
        for (x) |*number| number.* = try line.double();
        if (key == .dot and x.len % 2 == 1) return request.fail("dot takes pairs and not {d} values", .{x.len});
        if (key == .decimals) {
            if (@abs(x[0]) > 0x1p53 and std.math.isFinite(x[0])) return request.fail("decimals takes sizes up to 2^53", .{});
            const text = try std.fmt.allocPrint(arena, "{f}", .{microgpt.Decimals{ .number = x[0] }});
            try wire.writeIntegers(reply, "decimals", text);
        } else try wire.writeDoubles(reply, @tagName(key), &.{switch (key) {
            .add => x[0] + x[1],
            .sub => x[0] - x[1],
            .mul => x[0] * x[1],
            .div => x[0] / x[1],
            .sqrt => @sqrt(x[0]),
            .muladd => x[0] * x[1] + x[2],
            .sum => sum: {
                var total: f64 = 0;
                for (x) |number| total += number;
                break :sum total;
            },
            else => dot: {
                var total: f64 = 0;
                for (0..x.len / 2) |i| total += x[2 * i] * x[2 * i + 1];
                break :dot total;
            },
        }});
        if (!request.more()) return;
    }
}

fn math(_: Allocator, request: *Request, reply: *Writer) Error!void {
    _ = try request.fields(struct { math: Math });
    while (true) {
        const key = try request.key(enum { exp, log, sin, cos, pow });
        const count: usize = if (key == .pow) 2 else 1;
        var line = try request.values(@tagName(key), count, count);
        const x = try line.double();
        if ((key == .sin or key == .cos) and @abs(x) > 8) return request.fail("sin and cos take numbers from -8 to 8", .{});
        try wire.writeDoubles(reply, @tagName(key), &.{switch (key) {
            .pow => exact.pow(x, try readExponent(&line, 4096)),
            inline else => |function| @field(exact, @tagName(function))(x),
        }});
        if (!request.more()) return;
    }
}

fn readExponent(line: *wire.Values, limit: f64) Error!f32 {
    const exponent = try line.double();
    if (@abs(exponent) <= limit and @floor(2 * exponent) == 2 * exponent) return @floatCast(exponent);
    return line.request.fail("an exponent is an integer or half-integer of at most {d}", .{limit});
}

fn random(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const head = try request.fields(struct { math: Math, seed: u32 });
    var generator: microgpt.Generator = .seeded(head.seed);
    while (true) {
        const key = try request.key(enum { words, random, gauss, shuffle, choices, state });
        const name = @tagName(key);
        const least: usize, const most: usize = switch (key) {
            .words, .random, .shuffle => .{ 1, 1 },
            .gauss => .{ 2, 2 },
            .choices => .{ 2, 1001 },
            .state => .{ 0, 0 },
        };
        var line = try request.values(name, least, most);
        const n = if (key == .state) 0 else try line.integer(0, if (key == .shuffle) 10000 else 1000);
        const integers = try arena.alloc(u32, n);
        const doubles = try arena.alloc(f64, n);
        switch (key) {
            .words => for (integers) |*word| {
                word.* = generator.word();
            },
            .random => for (doubles) |*number| {
                number.* = generator.random();
            },
            .gauss => {
                const sigma = try line.double();
                for (doubles) |*number| number.* = generator.gauss(sigma);
            },
            .shuffle => {
                for (integers, 0..) |*item, i| item.* = @intCast(i);
                generator.shuffle(u32, integers);
            },
            .choices => {
                const weights = try arena.alloc(f64, line.count - 1);
                for (weights) |*weight| weight.* = try line.double();
                for (integers) |*index| index.* = try generator.choice(weights, try arena.alloc(f64, weights.len));
            },
            .state => {
                try reply.print("state {d}", .{generator.index});
                try wire.writeIntegers(reply, "", generator.words);
                if (generator.kept) |z| try wire.writeDoubles(reply, "kept", &.{z}) else try reply.writeAll("kept none\n");
            },
        }
        switch (key) {
            .words, .shuffle, .choices => try wire.writeIntegers(reply, name, integers),
            .random, .gauss => try wire.writeDoubles(reply, name, doubles),
            .state => {},
        }
        if (!request.more()) return;
    }
}

fn tokens(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const documents = try microgpt.documentsOf(arena, try readLines(arena, request));
    const characters = try microgpt.charactersOf(arena, documents);
    try reply.print("documents {d}\n", .{documents.len});
    try wire.writeIntegers(reply, "vocabulary", characters);
    try reply.print("bos {d}\n", .{characters.len});
    for (documents) |document|
        try wire.writeIntegers(reply, "encoded", try microgpt.encode(arena, characters, document));
}

fn readLines(arena: Allocator, request: *Request) Error![]const microgpt.Text {
    const lines = try arena.alloc(microgpt.Text, @max(request.lines.len - request.next, 1));
    for (lines) |*text| {
        var line = try request.values("line", 0, 10000);
        const characters = try arena.alloc(u21, line.count);
        for (characters) |*character| {
            character.* = @intCast(try line.integer(0, 0x10ffff));
            if (std.unicode.isSurrogateCodepoint(character.*)) return request.fail("a line has no surrogates", .{});
        }
        text.* = characters;
    }
    return lines;
}

fn graph(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    _ = try request.fields(struct { math: Math });
    var nodes: microgpt.Graph = .{ .arena = arena };
    var made: std.ArrayList(Span) = .empty;
    while (true) {
        const key = try request.key(enum { leaf, add, sub, mul, div, neg, pow, exp, log, relu, sum, add_number, sub_number, mul_number, div_number, number_sub, number_div, root });
        const least: usize, const most: usize = switch (key) {
            .leaf, .neg, .exp, .log, .relu, .root => .{ 1, 1 },
            .sum => .{ 1, wire.line_limit },
            else => .{ 2, 2 },
        };
        var line = try request.values(@tagName(key), least, most);
        const c = if (key == .number_sub or key == .number_div or key == .leaf) try line.double() else 0;
        const a: Span = if (key == .leaf) undefined else try readNode(&line, made.items);
        const minus = try nodes.leaf(-1);
        try made.append(arena, switch (key) {
            .leaf => try nodes.leaf(c),
            .add => try nodes.map(.add, a, try readNode(&line, made.items)),
            .sub => try nodes.map(.add, a, try nodes.map(.mul, try readNode(&line, made.items), minus)),
            .mul => try nodes.map(.mul, a, try readNode(&line, made.items)),
            .div => try nodes.map(.mul, a, try nodes.pow(try readNode(&line, made.items), -1)),
            .neg => try nodes.map(.mul, a, minus),
            .pow => try nodes.pow(a, try readExponent(&line, 1024)),
            inline .exp, .log, .relu => |kind| try nodes.map(@field(microgpt.Graph.Kind, @tagName(kind)), a, a),
            .sum => sum: {
                var total = try nodes.map(.add, a, try nodes.leaf(0));
                for (1..line.count) |_| total = try nodes.map(.add, total, try readNode(&line, made.items));
                break :sum total;
            },
            .add_number => try nodes.map(.add, a, try nodes.leaf(try line.double())),
            .sub_number => try nodes.map(.add, a, try nodes.leaf(-try line.double())),
            .mul_number => try nodes.map(.mul, a, try nodes.leaf(try line.double())),
            .div_number => try nodes.map(.mul, a, try nodes.leaf(exact.pow(try line.double(), -1))),
            .number_sub => try nodes.map(.add, try nodes.map(.mul, a, minus), try nodes.leaf(c)),
            .number_div => try nodes.map(.mul, try nodes.pow(a, -1), try nodes.leaf(c)),
            .root => {
                try nodes.backward(a.first);
                for (made.items) |node| try wire.writeDoubles(reply, "value", nodes.values(node));
                for (made.items) |node|
                    try wire.writeDoubles(reply, "gradient", nodes.nodes.items(.gradient)[node.first..][0..1]);
                return;
            },
        });
    }
}

fn readNode(line: *wire.Values, made: []const Span) Error!Span {
    if (made.len == 0) return line.request.fail("the first expression must be a leaf", .{});
    return made[try line.integer(0, @intCast(made.len - 1))];
}

// ---------------------------------------------------------------- models

/// What all requests with a model begin with.
const Head = struct {
    shape: microgpt.Shape,
    attention: []const []const u32,

    fn read(arena: Allocator, request: *Request) Error!Head {
        _ = try request.fields(struct { math: Math });
        const shape = try request.fields(microgpt.Shape);
        if (shape.embedding % shape.heads != 0) return request.fail("embedding must be a multiple of heads", .{});
        const attention = try arena.alloc([]const u32, shape.block);
        for (attention, 0..) |*positions, t| {
            const listed = try request.integers(arena, "attend", 1, 0, @intCast(t));
            if (!increasing(listed) or listed[listed.len - 1] != t)
                return request.fail("the positions of attend line {d} must increase and end with {d}", .{ t, t });
            positions.* = listed;
        }
        return .{ .shape = shape, .attention = attention };
    }

    fn document(head: Head, arena: Allocator, request: *Request) Error![]u32 {
        return request.integers(arena, "tokens", 2, 0, head.shape.vocabulary - 1);
    }

    fn model(head: Head, arena: Allocator, request: *Request) Error!microgpt.Model {
        var model_: microgpt.Model = try .init(arena, head.shape, head.attention);
        try model_.set(try readMatrices(arena, request, "", model_.matrices));
        return model_;
    }
};

fn increasing(list: []const u32) bool {
    return for (1..@max(list.len, 1)) |i| {
        if (list[i - 1] >= list[i]) break false;
    } else true;
}

const Matrices = []const microgpt.Matrix;

fn readMatrices(arena: Allocator, request: *Request, prefix: []const u8, matrices: Matrices) Error![]f64 {
    var numbers: std.ArrayList(f64) = .empty;
    for (matrices) |matrix| {
        const name = try std.mem.concat(arena, u8, &.{ prefix, matrix.name });
        try request.tensor(arena, &numbers, name, matrix.rows, matrix.columns);
    }
    return numbers.items;
}

fn writeMatrices(reply: *Writer, prefix: []const u8, matrices: Matrices, numbers: []const f64) Error!void {
    for (matrices) |matrix|
        try wire.writeTensor(reply, prefix, matrix.name, matrix.rows, numbers[matrix.first..][0..matrix.count()]);
}

fn forward(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const head: Head = try .read(arena, request);
    const document = try head.document(arena, request);
    var model = try head.model(arena, request);
    const loss = try model.documentLoss(document);
    try writeTrace(arena, reply, "", .{ .pos = model.pos[0..model.filled] }, &model.graph);
    try wire.writeDoubles(reply, "loss", &.{loss});
}

/// The fields' names are those of the tensors.
fn writeTrace(arena: Allocator, reply: *Writer, prefix: []const u8, trace: anytype, nodes: *const microgpt.Graph) Error!void {
    inline for (@typeInfo(@TypeOf(trace)).@"struct".field_names) |name| {
        const field = @field(trace, name);
        if (@TypeOf(field) == Span)
            try wire.writeTensor(reply, prefix, name, 1, nodes.values(field))
        else for (field, 0..) |part, i|
            try writeTrace(arena, reply, try std.fmt.allocPrint(arena, "{s}{s}{d}.", .{ prefix, name, i }), part, nodes);
    }
}

fn backward(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const head: Head = try .read(arena, request);
    const document = try head.document(arena, request);
    var model = try head.model(arena, request);
    const loss = try model.documentLoss(document);
    try model.graph.backward(model.loss.first);
    try wire.writeDoubles(reply, "loss", &.{loss});
    try writeMatrices(reply, "", model.matrices, model.gradients());
}

fn adam(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    _ = try request.fields(struct { math: Math });
    const optimizer = try request.fields(microgpt.Optimizer);
    const step = try request.integer("step", 0, optimizer.steps - 1);
    var shape = try request.values("tensor", 3, 3);
    request.next -= 1;
    _ = shape.words.next();
    const rows, const columns = .{ try shape.integer(1, 2048), try shape.integer(1, 2048) };
    var lists: [4]std.ArrayList(f64) = @splat(.empty);
    for (&lists, [_][]const u8{ "parameters", "gradients", "m", "v" }) |*list, name|
        try request.tensor(arena, list, name, rows, columns);
    const p, const g, const m, const v = .{ lists[0].items, lists[1].items, lists[2].items, lists[3].items };
    optimizer.update(step, p, g, m, v);
    const corrections = optimizer.corrections(step);
    try wire.writeDoubles(reply, "rate", &.{optimizer.rate(step)});
    try wire.writeDoubles(reply, "correction1", corrections[0..1]);
    try wire.writeDoubles(reply, "correction2", corrections[1..2]);
    inline for (.{ "m", "v", "parameters" }, .{ m, v, p }) |name, list| try wire.writeTensor(reply, "", name, rows, list);
}

fn train(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const head: Head = try .read(arena, request);
    const optimizer = try request.fields(microgpt.Optimizer);
    const first = try request.integer("from", 0, optimizer.steps - 1);
    const count = try request.integer("count", 1, optimizer.steps - first);
    const full = try request.integers(arena, "full", 0, first, first + count - 1);
    if (!increasing(full)) return request.fail("the steps of full must increase", .{});
    var documents: std.ArrayList([]const u32) = .empty;
    while (documents.items.len == 0 or request.isNext("tokens"))
        try documents.append(arena, try head.document(arena, request));
    var training: microgpt.Training = try .init(arena, try head.model(arena, request), optimizer);
    const model = &training.model;
    if (first > 0) {
        training.step = first;
        training.m = try readMatrices(arena, request, "m.", model.matrices);
        training.v = try readMatrices(arena, request, "v.", model.matrices);
    }
    for (first..first + count) |step| {
        const loss = try training.advance(documents.items);
        try reply.print("step {d}\n", .{step});
        try wire.writeDoubles(reply, "loss", &.{loss});
        const names = .{ "gradients", "m", "v", "parameters" };
        const lists = [_][]const f64{ model.gradients(), training.m, training.v, model.parameters() };
        inline for (names, lists) |name, list| try wire.writeChecksum(reply, name, list);
        if (std.mem.findScalar(u32, full, @intCast(step)) == null) continue;
        inline for (names, lists) |name, list| try writeMatrices(reply, name ++ ".", model.matrices, list);
    }
}

fn sample(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const head: Head = try .read(arena, request);
    const wanted = try request.fields(struct { temperature: f64, samples: u32 });
    var model = try head.model(arena, request);
    var generator: microgpt.Generator = undefined;
    var state = try request.values("state", 625, 625);
    generator.index = try state.integer(0, generator.words.len);
    for (&generator.words) |*word| word.* = try state.integer(0, wire.word_limit);
    var kept = try request.values("kept", 1, 1);
    generator.kept = if (std.mem.eql(u8, kept.words.rest(), "none")) null else try kept.double();
    for (0..wanted.samples) |number| {
        try reply.print("sample {d}\n", .{number});
        var sampler: microgpt.Sampler = .{ .model = &model, .generator = &generator, .temperature = wanted.temperature };
        while (try sampler.next()) |draw| {
            try wire.writeDoubles(reply, "probabilities", draw.probabilities);
            try reply.print("token {d}\n", .{draw.token});
        }
    }
    try reply.print("word {d}\n", .{generator.word()});
}

fn run(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const head = try request.fields(struct { math: Math, preset: microgpt.PresetName, steps: u32, samples: u32 });
    var preset = microgpt.presets.get(head.preset);
    preset.optimizer.steps = head.steps;
    preset.samples = head.samples;
    var whole: microgpt.Run = try .init(arena, preset, try readLines(arena, request));
    var text: Writer.Allocating = .init(arena);
    try whole.perform(&text.writer);
    var lines = std.mem.splitScalar(u8, text.written()[0 .. text.written().len - 1], '\n');
    while (lines.next()) |line| {
        try reply.writeAll("print");
        var characters = std.unicode.Utf8View.initUnchecked(line).iterator();
        while (characters.nextCodepoint()) |character| try reply.print(" {d}", .{character});
        try reply.writeByte('\n');
    }
    try wire.writeChecksum(reply, "parameters", whole.training.model.parameters());
    try wire.writeChecksum(reply, "m", whole.training.m);
    try wire.writeChecksum(reply, "v", whole.training.v);
    try reply.print("word {d}\n", .{whole.generator.word()});
}
