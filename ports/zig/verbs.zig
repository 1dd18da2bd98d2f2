//! What each verb of the protocol does: it reads its lines and writes those of the reply. SPEC, section 12.
//!
//! A function here has the name of its verb. It ends early with `error.BadRequest`, whose reason the
//! request keeps.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Writer = std.Io.Writer;
const Functions = @import("functions.zig").Functions;
const Generator = @import("Generator.zig");
const Graph = @import("Graph.zig");
const Model = @import("Model.zig");
const Optimizer = @import("Optimizer.zig");
const Run = @import("Run.zig");
const Tokenizer = @import("Tokenizer.zig");
const Training = @import("Training.zig");
const wire = @import("wire.zig");
const Request = wire.Request;

pub const Verb = enum {
    hello,
    arith,
    math,
    random,
    tokens,
    graph,
    forward,
    backward,
    adam,
    train,
    sample,
    run,
};

pub const Error = Request.Error || Allocator.Error || Writer.Error;

/// Answer a request whose header has been read. All memory is the arena's.
pub fn answer(verb: Verb, arena: Allocator, request: *Request, reply: *Writer) Error!void {
    return switch (verb) {
        inline else => |known| @field(@This(), @tagName(known))(arena, request, reply),
    };
}

// ---------------------------------------------------------------- lines that several verbs share

/// The lines that all verbs with a model begin with, but for `math`.
fn readConfig(arena: Allocator, request: *Request) Error!Model.Config {
    const layers = try request.integer("layers", 1, 16);
    const heads = try request.integer("heads", 1, 64);
    const embedding = try request.integer("embedding", 1, 512);
    if (embedding % heads != 0)
        return request.fail("embedding {d} is not a multiple of heads {d}", .{ embedding, heads });
    const block = try request.integer("block", 1, 1024);
    const vocabulary = try request.integer("vocabulary", 2, 2048);
    const activation = try request.choice("activation", Model.Activation);
    const attention = try arena.alloc([]const u32, block);
    for (attention, 0..) |*positions, t| {
        const listed = try request.integers(arena, "attend", 1, 0, @intCast(t));
        if (!increasing(listed) or listed[listed.len - 1] != t)
            return request.fail("the positions of attend line {d} must increase and end with {d}", .{ t, t });
        positions.* = listed;
    }
    return .{
        .layers = layers,
        .heads = heads,
        .embedding = embedding,
        .block = block,
        .vocabulary = vocabulary,
        .activation = activation,
        .attention = attention,
    };
}

fn increasing(list: []const u32) bool {
    for (list[0..list.len -| 1], list[@min(1, list.len)..]) |a, b| if (a >= b) return false;
    return true;
}

fn readOptimizer(request: *Request) Error!Optimizer {
    return .{
        .learning_rate = try request.double("learning_rate"),
        .beta1 = try request.double("beta1"),
        .beta2 = try request.double("beta2"),
        .epsilon = try request.double("epsilon"),
        .schedule = try request.choice("schedule", Optimizer.Schedule),
        .steps = try request.integer("steps", 1, 4096),
    };
}

fn readDocument(arena: Allocator, request: *Request, config: Model.Config) Error![]u32 {
    return request.integers(arena, "tokens", 2, 0, config.bos());
}

/// A list of numbers, a tensor for each matrix.
fn readMatrices(
    arena: Allocator,
    request: *Request,
    model: *const Model,
    comptime prefix: []const u8,
    list: *std.ArrayList(f64),
) Error!void {
    for (model.matrices) |matrix|
        try request.tensor(arena, list, prefix ++ "{f}", .{matrix}, matrix.rows, matrix.columns);
}

fn writeMatrices(reply: *Writer, model: *const Model, comptime prefix: []const u8, numbers: []const f64) Error!void {
    for (model.matrices) |matrix| {
        const part = numbers[matrix.numbers.start..][0..matrix.numbers.len];
        try wire.writeTensor(reply, prefix ++ "{f}", .{matrix}, matrix.rows, part);
    }
}

/// Lines of text, one or more.
fn readLines(arena: Allocator, request: *Request) Error![]const []const u21 {
    var lines: std.ArrayList([]const u21) = .empty;
    while (true) {
        var line = try request.values("line", 0, 10000);
        const text = try arena.alloc(u21, line.count);
        for (text) |*character| {
            character.* = @intCast(try line.integer(0, 0x10ffff));
            if (std.unicode.isSurrogateCodepoint(character.*))
                return request.fail("line takes code points and {d} is a surrogate", .{character.*});
        }
        try lines.append(arena, text);
        const key = try request.nextKey() orelse return lines.items;
        if (!std.mem.eql(u8, key, "line")) return lines.items;
    }
}

fn checkExponent(request: *Request, exponent: f64, limit: f64) Error!f64 {
    if (@abs(exponent) <= limit and @floor(2 * exponent) == 2 * exponent) return exponent;
    const expected = "an exponent is an integer or half-integer from -{d} to {d} and not {d}";
    return request.fail(expected, .{ limit, limit, exponent });
}

// ---------------------------------------------------------------- the verbs

fn hello(_: Allocator, request: *Request, reply: *Writer) Error!void {
    try request.finish();
    try reply.writeAll("name zig\nprotocol 1\nverbs");
    for (std.enums.values(Verb)) |verb| try reply.print(" {t}", .{verb});
    try reply.writeAll("\nmath");
    for (std.enums.values(Functions)) |kind| try reply.print(" {t}", .{kind});
    try reply.writeByte('\n');
}

fn arith(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const Operation = enum { add, sub, mul, div, sqrt, muladd, sum, dot };
    while (true) {
        const operation = try request.nextKeyAs(Operation);
        const key = @tagName(operation);
        const result = switch (operation) {
            .sqrt => @sqrt(try request.double(key)),
            .add, .sub, .mul, .div => result: {
                var line = try request.values(key, 2, 2);
                const x = try line.double();
                const y = try line.double();
                break :result switch (operation) {
                    .add => x + y,
                    .sub => x - y,
                    .mul => x * y,
                    else => x / y,
                };
            },
            .muladd => result: {
                var line = try request.values(key, 3, 3);
                const x = try line.double();
                const y = try line.double();
                break :result x * y + try line.double();
            },
            .sum => result: {
                var total: f64 = 0;
                for (try request.doubles(arena, key, 1)) |x| total += x;
                break :result total;
            },
            .dot => result: {
                const numbers = try request.doubles(arena, key, 2);
                if (numbers.len % 2 != 0)
                    return request.fail("dot takes pairs of doubles and not {d} doubles", .{numbers.len});
                var pairs = std.mem.window(f64, numbers, 2, 2);
                var total: f64 = 0;
                while (pairs.next()) |pair| total += pair[0] * pair[1];
                break :result total;
            },
        };
        try wire.writeDouble(reply, key, result);
        if (!try request.more()) return;
    }
}

fn math(_: Allocator, request: *Request, reply: *Writer) Error!void {
    const functions = try request.choice("math", Functions);
    while (true) {
        const function = try request.nextKeyAs(enum { exp, log, sin, cos, pow });
        const key = @tagName(function);
        const count: usize = if (function == .pow) 2 else 1;
        var line = try request.values(key, count, count);
        const x = try line.double();
        if ((function == .sin or function == .cos) and @abs(x) > 8)
            return request.fail("{s} takes |x| up to 8 and not {d}", .{ key, x });
        try wire.writeDouble(reply, key, switch (function) {
            .exp => functions.exp(x),
            .log => functions.log(x),
            .sin => functions.sin(x),
            .cos => functions.cos(x),
            .pow => functions.pow(x, try checkExponent(request, try line.double(), 4096)),
        });
        if (!try request.more()) return;
    }
}

fn random(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const functions = try request.choice("math", Functions);
    var generator: Generator = .seeded(try request.integer("seed", 0, std.math.maxInt(u32)));
    while (true) {
        const draw = try request.nextKeyAs(enum { words, random, gauss, shuffle, choices, state });
        const key = @tagName(draw);
        switch (draw) {
            .words => {
                const list = try arena.alloc(u32, try request.integer(key, 0, 1000));
                for (list) |*word| word.* = generator.word();
                try wire.writeIntegers(reply, key, list);
            },
            .random => {
                const list = try arena.alloc(f64, try request.integer(key, 0, 1000));
                for (list) |*number| number.* = generator.random();
                try wire.writeDoubles(reply, key, list);
            },
            .gauss => {
                var line = try request.values(key, 2, 2);
                const list = try arena.alloc(f64, try line.integer(0, 1000));
                const sigma = try line.double();
                for (list) |*number| number.* = generator.gauss(sigma, functions);
                try wire.writeDoubles(reply, key, list);
            },
            .shuffle => {
                const list = try arena.alloc(u32, try request.integer(key, 0, 10000));
                for (list, 0..) |*item, i| item.* = @intCast(i);
                generator.shuffle(u32, list);
                try wire.writeIntegers(reply, key, list);
            },
            .choices => {
                var line = try request.values(key, 2, 1001);
                const list = try arena.alloc(usize, try line.integer(0, 1000));
                const weights = try arena.alloc(f64, line.count - 1);
                for (weights) |*weight| weight.* = try line.double();
                const room = try arena.alloc(f64, weights.len);
                for (list) |*index|
                    index.* = generator.choice(weights, room) catch |err| return noProbabilities(request, err);
                try wire.writeIntegers(reply, key, list);
            },
            .state => {
                _ = try request.values(key, 0, 0);
                try reply.print("state {d}", .{generator.index});
                try wire.writeIntegers(reply, "", &generator.words);
                if (generator.kept) |kept|
                    try wire.writeDouble(reply, "kept", kept)
                else
                    try reply.writeAll("kept none\n");
            },
        }
        if (!try request.more()) return;
    }
}

fn noProbabilities(request: *Request, err: error{NoProbabilities}) Error {
    return switch (err) {
        error.NoProbabilities => request.fail("the weights of a choice must add up to a finite number above 0", .{}),
    };
}

fn tokens(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const lines = try readLines(arena, request);
    try request.finish();
    const documents = try Tokenizer.documentsOf(arena, lines);
    if (documents.len == 0) return noDataset(request, error.NoDocuments);
    const tokenizer: Tokenizer = try .init(arena, documents);
    if (tokenizer.characters.len > Tokenizer.most_characters) return noDataset(request, error.TooManyCharacters);
    try reply.print("documents {d}\n", .{documents.len});
    try wire.writeIntegers(reply, "vocabulary", tokenizer.characters);
    try reply.print("bos {d}\n", .{tokenizer.bos()});
    for (documents) |document| try wire.writeIntegers(reply, "encoded", try tokenizer.encode(arena, document));
}

fn noDataset(request: *Request, err: error{ NoDocuments, TooManyCharacters }) Error {
    return switch (err) {
        error.NoDocuments => request.fail("expected a document and every line is empty once stripped", .{}),
        error.TooManyCharacters => request.fail("the documents have more than 2047 distinct characters", .{}),
    };
}

fn graph(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    var nodes: Graph = .init(arena, try request.choice("math", Functions));
    var expressions: std.ArrayList(Graph.Id) = .empty;
    while (true) {
        const Key = enum {
            leaf,
            add,
            sub,
            mul,
            div,
            neg,
            pow,
            exp,
            log,
            relu,
            sum,
            add_number,
            sub_number,
            mul_number,
            div_number,
            number_sub,
            number_div,
            root,
        };
        const known = try request.nextKeyAs(Key);
        const key = @tagName(known);
        const count: usize = switch (known) {
            .root => break,
            .leaf, .neg, .exp, .log, .relu => 1,
            else => 2,
        };
        if (known != .leaf and expressions.items.len == 0)
            return request.fail("the first expression must be a leaf and not {s}", .{key});
        const last: u32 = @intCast(expressions.items.len -| 1);
        if (known == .sum) {
            const terms = try request.integers(arena, key, 1, 0, last);
            for (terms) |*term| term.* = expressions.items[term.*];
            try expressions.append(arena, try nodes.sum(terms));
            continue;
        }
        var line = try request.values(key, count, count);
        if (known == .leaf) {
            try expressions.append(arena, try nodes.leaf(try line.double()));
            continue;
        }
        const a = expressions.items[try line.integer(0, last)];
        try expressions.append(arena, switch (known) {
            .leaf, .sum, .root => unreachable,
            .neg => try nodes.neg(a),
            .exp => try nodes.exp(a),
            .log => try nodes.log(a),
            .relu => try nodes.relu(a),
            .add => try nodes.add(a, expressions.items[try line.integer(0, last)]),
            .sub => try nodes.sub(a, expressions.items[try line.integer(0, last)]),
            .mul => try nodes.mul(a, expressions.items[try line.integer(0, last)]),
            .div => try nodes.div(a, expressions.items[try line.integer(0, last)]),
            .pow => try nodes.pow(a, try checkExponent(request, try line.double(), 1024)),
            .add_number => try nodes.addNumber(a, try line.double()),
            .sub_number => try nodes.addNumber(a, -try line.double()),
            .mul_number => try nodes.mulNumber(a, try line.double()),
            .div_number => try nodes.mulNumber(a, nodes.functions.pow(try line.double(), -1)),
            .number_sub => try nodes.addNumber(try nodes.neg(a), try line.double()),
            .number_div => try nodes.mulNumber(try nodes.pow(a, -1), try line.double()),
        });
    }
    const last: u32 = @intCast(expressions.items.len -| 1);
    const root = try request.integer("root", 0, last);
    try request.finish();
    if (expressions.items.len == 0) return request.fail("expected an expression before the root", .{});
    try nodes.backward(expressions.items[root]);
    for (expressions.items) |id| try wire.writeDouble(reply, "value", nodes.value(id));
    for (expressions.items) |id| try wire.writeDouble(reply, "gradient", nodes.gradient(id));
}

/// Writes every intermediate result as a tensor of one row.
const Watch = struct {
    reply: *Writer,

    pub fn see(watch: Watch, comptime name: []const u8, arguments: anytype, numbers: []const f64) !void {
        try wire.writeTensor(watch.reply, name, arguments, 1, numbers);
    }
};

fn forward(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const functions = try request.choice("math", Functions);
    var model: Model = try .init(arena, try readConfig(arena, request), functions);
    const document = try readDocument(arena, request, model.config);
    try readMatrices(arena, request, &model, "", &model.tape.values);
    try request.finish();
    const loss = try model.documentLoss(document, Watch{ .reply = reply });
    try wire.writeDouble(reply, "loss", model.tape.value(loss)[0]);
}

fn backward(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const functions = try request.choice("math", Functions);
    var model: Model = try .init(arena, try readConfig(arena, request), functions);
    const document = try readDocument(arena, request, model.config);
    try readMatrices(arena, request, &model, "", &model.tape.values);
    try request.finish();
    const loss = try model.documentLoss(document, Model.Unwatched{});
    try model.tape.backward(loss);
    try wire.writeDouble(reply, "loss", model.tape.value(loss)[0]);
    try writeMatrices(reply, &model, "", model.gradients());
}

fn adam(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const functions = try request.choice("math", Functions);
    const optimizer = try readOptimizer(request);
    const step = try request.integer("step", 0, optimizer.steps - 1);
    const rows, const columns = try request.nextShape();
    var lists: [4]std.ArrayList(f64) = @splat(.empty);
    for (&lists, [_][]const u8{ "parameters", "gradients", "m", "v" }) |*list, name|
        try request.tensor(arena, list, "{s}", .{name}, rows, columns);
    try request.finish();
    const numbers: Optimizer.Numbers = .{
        .parameters = lists[0].items,
        .gradients = lists[1].items,
        .m = lists[2].items,
        .v = lists[3].items,
    };
    try wire.writeDouble(reply, "rate", optimizer.rate(step, functions));
    for (optimizer.corrections(step, functions), 1..) |correction, i| {
        try reply.print("correction{d}", .{i});
        try wire.writeDouble(reply, "", correction);
    }
    optimizer.update(step, functions, numbers);
    try wire.writeTensor(reply, "m", .{}, rows, numbers.m);
    try wire.writeTensor(reply, "v", .{}, rows, numbers.v);
    try wire.writeTensor(reply, "parameters", .{}, rows, numbers.parameters);
}

fn train(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const functions = try request.choice("math", Functions);
    var model: Model = try .init(arena, try readConfig(arena, request), functions);
    const optimizer = try readOptimizer(request);
    const first = try request.integer("from", 0, optimizer.steps - 1);
    const count = try request.integer("count", 1, optimizer.steps - first);
    const full = try request.integers(arena, "full", 0, first, first + count - 1);
    if (!increasing(full)) return request.fail("the steps of full must increase", .{});
    var documents: std.ArrayList([]const u32) = .empty;
    while (true) {
        try documents.append(arena, try readDocument(arena, request, model.config));
        const key = try request.nextKey() orelse break;
        if (!std.mem.eql(u8, key, "tokens")) break;
    }
    try readMatrices(arena, request, &model, "", &model.tape.values);
    var training: Training = undefined;
    if (first == 0) {
        try request.finish();
        training = try .init(arena, &model, optimizer);
    } else {
        var m: std.ArrayList(f64) = .empty;
        var v: std.ArrayList(f64) = .empty;
        try readMatrices(arena, request, &model, "m.", &m);
        try readMatrices(arena, request, &model, "v.", &v);
        try request.finish();
        training = .{ .model = &model, .optimizer = optimizer, .m = m.items, .v = v.items, .step = first };
    }
    for (first..first + count) |step| {
        const loss = try training.advance(documents.items[step % documents.items.len]);
        try reply.print("step {d}\n", .{step});
        try wire.writeDouble(reply, "loss", loss);
        const names = .{ "gradients", "m", "v", "parameters" };
        const lists = [_][]const f64{ model.gradients(), training.m, training.v, model.parameters() };
        inline for (names, lists) |name, list| try wire.writeChecksum(reply, name, list);
        if (std.mem.findScalar(u32, full, @intCast(step)) == null) continue;
        inline for (names, lists) |name, list| try writeMatrices(reply, &model, name ++ ".", list);
    }
}

fn sample(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const functions = try request.choice("math", Functions);
    var model: Model = try .init(arena, try readConfig(arena, request), functions);
    const temperature = try request.double("temperature");
    const count = try request.integer("samples", 0, 1000);
    try readMatrices(arena, request, &model, "", &model.tape.values);
    var generator = try readGenerator(request);
    try request.finish();
    const room = try arena.alloc(f64, model.config.vocabulary);
    for (0..count) |number| {
        try reply.print("sample {d}\n", .{number});
        var sampler: Model.Sampler = try .init(&model, &generator, temperature, room);
        while (sampler.next() catch |err| switch (err) {
            error.NoProbabilities => |e| return noProbabilities(request, e),
            else => |e| return e,
        }) |draw| {
            try wire.writeDoubles(reply, "probabilities", draw.probabilities);
            try reply.print("token {d}\n", .{draw.token});
        }
    }
    try reply.print("word {d}\n", .{generator.word()});
}

fn readGenerator(request: *Request) Error!Generator {
    var generator: Generator = undefined;
    var state = try request.values("state", 1 + Generator.word_count, 1 + Generator.word_count);
    generator.index = try state.integer(0, Generator.word_count);
    for (&generator.words) |*word| word.* = try state.integer(0, std.math.maxInt(u32));
    var kept = try request.values("kept", 1, 1);
    generator.kept = if (std.mem.eql(u8, kept.words.rest(), "none")) null else try kept.double();
    return generator;
}

fn run(arena: Allocator, request: *Request, reply: *Writer) Error!void {
    const functions = try request.choice("math", Functions);
    var preset: Run.Preset = .named(try request.choice("preset", Run.Preset.Name));
    preset.optimizer.steps = try request.integer("steps", 1, 4096);
    preset.samples = try request.integer("samples", 0, 1000);
    const lines = try readLines(arena, request);
    try request.finish();
    const whole = Run.create(arena, preset, lines, functions) catch |err| switch (err) {
        error.NoDocuments, error.TooManyCharacters => |e| return noDataset(request, e),
        else => |e| return e,
    };
    whole.perform(PrintLines{ .arena = arena, .reply = reply }) catch |err| switch (err) {
        error.NoProbabilities => |e| return noProbabilities(request, e),
        else => |e| return e,
    };
    try wire.writeChecksum(reply, "parameters", whole.model.parameters());
    try wire.writeChecksum(reply, "m", whole.training.m);
    try wire.writeChecksum(reply, "v", whole.training.v);
    try reply.print("word {d}\n", .{whole.generator.word()});
}

/// Each line of text becomes a line `print` of code points.
const PrintLines = struct {
    arena: Allocator,
    reply: *Writer,

    pub fn line(sink: PrintLines, comptime format: []const u8, arguments: anytype) !void {
        const text = try std.fmt.allocPrint(sink.arena, format, arguments);
        defer sink.arena.free(text);
        try sink.reply.writeAll("print");
        var characters = std.unicode.Utf8View.initUnchecked(text).iterator();
        while (characters.nextCodepoint()) |character| try sink.reply.print(" {d}", .{character});
        try sink.reply.writeByte('\n');
    }
};
