//! Answers requests (SPEC, sections 11 and 12), or trains and makes names: `microgpt run [seed|classic] < names.txt`.

const std = @import("std");
const Writer = std.Io.Writer;
const exact = @import("exact.zig");
const graphs = @import("graph.zig");
const microgpt = @import("microgpt.zig");
const wire = @import("wire.zig");
const Request = wire.Request;
const write = wire.write;

pub fn main(init: std.process.Init) !void {
    var input_buffer: [65536 + 1]u8 = undefined;
    var output_buffer: [1 << 16]u8 = undefined;
    var input = std.Io.File.stdin().readerStreaming(init.io, &input_buffer);
    var output = std.Io.File.stdout().writerStreaming(init.io, &output_buffer);
    const arena = init.arena.allocator();
    const args = try init.minimal.args.toSlice(arena);
    if (args.len == 1) return answerAll(init.arena, &input.interface, &output.interface);
    const preset = std.meta.stringToEnum(microgpt.PresetName, if (args.len > 2) args[2] else "seed");
    if (!std.mem.eql(u8, args[1], "run") or preset == null or args.len > 3)
        return error.@"usage: microgpt, or microgpt run [seed|classic] < names.txt";
    const text = try input.interface.allocRemaining(arena, .unlimited);
    var characters = (std.unicode.Utf8View.init(text) catch return error.@"standard input is not UTF-8").iterator();
    var lines: std.ArrayList([]const u21) = .empty;
    var line: std.ArrayList(u21) = .empty;
    while (characters.nextCodepoint()) |c|
        if (c == '\n') try lines.append(arena, try line.toOwnedSlice(arena)) else try line.append(arena, c);
    try lines.append(arena, line.items);
    _ = try microgpt.run(arena, microgpt.presets.get(preset.?), lines.items, &output.interface);
}

fn answerAll(memory: *std.heap.ArenaAllocator, input: *std.Io.Reader, output: *Writer) !void {
    while (try Request.read(memory.allocator(), input)) |read| : (_ = memory.reset(.{ .retain_with_limit = 1 << 24 })) {
        var request = read;
        var reply: Writer.Allocating = .init(memory.allocator());
        if (answer(&request, &reply.writer)) {
            try output.print("ok {s}\n{s}end\n", .{ request.id, reply.written() });
        } else |err| try output.print("error {s} {s}\nend\n", .{ request.id, @errorName(err) });
        try output.flush();
    }
}

const Verb = enum { hello, arith, math, random, tokens, graph, forward, backward, adam, train, sample, run };
/// The function with the verb's name reads the rest of the request and writes the reply.
fn answer(in: *Request, out: *Writer) !void {
    switch (std.meta.stringToEnum(Verb, try in.header()) orelse return error.unsupported) {
        inline else => |known| try @field(@This(), @tagName(known))(in, out),
    }
    if (in.rest.len > 0 or out.end == 0) return error.@"expected end after one line or more";
}
fn hello(in: *Request, out: *Writer) !void {
    const verbs = try std.mem.join(in.arena, " ", std.meta.fieldNames(Verb));
    try out.print("name zig\nprotocol 1\nverbs {s}\nmath exact\n", .{verbs});
}

fn arith(in: *Request, out: *Writer) !void {
    while (try in.takeOne(enum { add, sub, mul, div, sqrt, muladd, sum, dot, decimals })) |key| {
        const x = try in.double();
        var total: f64 = 0;
        switch (key) {
            .add => total = x + try in.double(),
            .sub => total = x - try in.double(),
            .mul => total = x * try in.double(),
            .div => total = x / try in.double(),
            .sqrt => total = @sqrt(x),
            .muladd => total = x * try in.double() + try in.double(),
            .sum, .dot => {
                total += x * if (key == .dot) try in.double() else 1;
                while (in.more()) total += try in.double() * if (key == .dot) try in.double() else 1;
            },
            .decimals => if (@abs(x) > 0x1p53 and !std.math.isInf(x)) return error.@"expected a size up to 2^53",
        }
        if (key == .decimals) try write(out, "decimals", try microgpt.decimals(in.arena, x));
        if (key != .decimals) try write(out, @tagName(key), [_]f64{total});
    }
}
fn readMath(in: *Request) !void {
    if ((try in.fields(struct { math: enum { exact, native } })).math == .native) return error.unsupported;
}

fn math(in: *Request, out: *Writer) !void {
    try readMath(in);
    while (try in.takeOne(enum { exp, log, sin, cos, pow })) |key| {
        const x = try in.double();
        if ((key == .sin or key == .cos) and @abs(x) > 8) return error.@"expected a size up to 8";
        try write(out, @tagName(key), [_]f64{switch (key) {
            .pow => exact.pow(x, try readExponent(in, 4096)),
            inline else => |function| @field(exact, @tagName(function))(x),
        }});
    }
}
fn readExponent(in: *Request, limit: f64) !f64 {
    const y = try in.double();
    return if (@abs(y) <= limit and @mod(2 * y, 1) == 0) y else error.@"expected an exponent in its range";
}

fn random(in: *Request, out: *Writer) !void {
    try readMath(in);
    var generator: microgpt.Generator = .seeded(try in.count("seed", 0, 0xffff_ffff));
    while (try in.takeOne(enum { words, random, gauss, shuffle, choices, state })) |key| {
        const n = if (key == .state) 624 else try in.integer(0, if (key == .shuffle) 10000 else 1000);
        const doubles, const integers = .{ try in.arena.alloc(f64, n), try in.arena.alloc(u32, n) };
        var numbers: std.ArrayList(f64) = .empty;
        if (key == .gauss or key == .choices) try numbers.append(in.arena, try in.double());
        while (key == .choices and in.more()) try numbers.append(in.arena, try in.double());
        if (numbers.items.len > 1000) return error.@"expected at most 1000 weights";
        const state = try std.fmt.allocPrint(in.arena, "state {d}", .{generator.index});
        for (doubles, integers, 0..) |*double, *integer, i| switch (key) {
            .words => integer.* = generator.word(),
            .random => double.* = generator.random(),
            .gauss => double.* = generator.gauss(numbers.items[0]),
            .shuffle => integer.* = @intCast(i),
            .choices => integer.* = try generator.choice(numbers.items),
            .state => integer.* = generator.words[i],
        };
        if (key == .shuffle) generator.shuffle(u32, integers);
        if (key == .random or key == .gauss) try write(out, @tagName(key), doubles);
        if (key != .random and key != .gauss) try write(out, if (key == .state) state else @tagName(key), integers);
        if (key == .state) try if (generator.kept) |z| write(out, "kept", [_]f64{z}) else out.writeAll("kept none\n");
    }
}

fn tokens(in: *Request, out: *Writer) !void {
    const characters, const documents = try microgpt.tokenize(in.arena, try readLines(in));
    try write(out, "documents", [_]usize{documents.len});
    try write(out, "vocabulary", characters);
    try write(out, "bos", [_]usize{characters.len});
    for (documents) |document| try write(out, "encoded", document);
}
fn readLines(in: *Request) ![][]const u21 {
    const lines = try in.arena.alloc([]const u21, @max(1, std.mem.countScalar(u8, in.rest, '\n')));
    for (lines) |*line| {
        try in.take("line");
        line.* = try in.integers(u21, 0, 0x10ffff);
        if (line.len > 10000) return error.@"expected at most 10000 code points";
        for (line.*) |c| if (std.unicode.isSurrogateCodepoint(c)) return error.@"expected no surrogates";
    }
    return lines;
}

fn graph(in: *Request, out: *Writer) !void {
    try readMath(in);
    var nodes: graphs.Graph = .{ .arena = in.arena };
    var made: std.ArrayList(graphs.Span) = .empty;
    const zero, const minus_one = .{ try nodes.leaf(0), try nodes.leaf(-1) };
    while (true) {
        const name = in.peek('\n');
        const first = std.mem.startsWith(u8, name, "number_"); // Which operand is a number? It becomes a leaf.
        const second = std.mem.endsWith(u8, name, "_number");
        const plain = if (first) name[7..] else if (second) name[0 .. name.len - 7] else name;
        const Key = enum { add, sub, mul, div, leaf, neg, pow, exp, log, relu, sum, root };
        const key = std.meta.stringToEnum(Key, plain) orelse return error.@"expected a key of this verb";
        const two = key == .add or key == .sub or key == .mul or key == .div;
        if ((first and key != .sub and key != .div) or (second and !two)) return error.@"expected a key of this verb";
        if (made.items.len == 0 and key != .leaf) return error.@"expected a leaf";
        try in.take(name);
        const last = made.items.len -| 1;
        const a = if (first or key == .leaf) try nodes.leaf(try in.double()) else made.items[try in.integer(0, last)];
        var b = if (second) try nodes.leaf(try in.double()) else if (two) made.items[try in.integer(0, last)] else zero;
        if (key == .neg) b = minus_one;
        if (key == .pow) b = try nodes.leaf(try readExponent(in, 1024));
        if (key == .sub) b = try nodes.map(.mul, b, minus_one);
        if (key == .div) b = try nodes.map(.pow, b, minus_one);
        if (key == .root) break try nodes.backward(a);
        const kind = std.meta.stringToEnum(graphs.Kind, plain) orelse
            if (key == .sub or key == .sum) graphs.Kind.add else .mul;
        var result = if (kind == .leaf) a else try nodes.map(kind, a, b);
        while (key == .sum and in.more()) result = try nodes.map(.add, result, made.items[try in.integer(0, last)]);
        try made.append(in.arena, result);
    }
    for (made.items) |node| try write(out, "value", nodes.get(.value, node));
    for (made.items) |node| try write(out, "gradient", nodes.get(.slope, node));
}

/// The lines with which all requests for a model begin.
fn readModel(in: *Request) !microgpt.Model {
    try readMath(in);
    const shape = try in.fields(microgpt.Shape);
    if (shape.embedding % shape.heads != 0) return error.@"expected an embedding that is a multiple of heads";
    const attention = try in.arena.alloc([]const u32, shape.block);
    for (attention, 0..) |*list, t| {
        list.* = try readIncreasing(in, "attend", 0, t);
        if (list.len == 0 or list.*[list.len - 1] != t) return error.@"expected the position itself as the last one";
    }
    return .init(in.arena, shape, attention);
}
fn readIncreasing(in: *Request, key: []const u8, low: usize, high: usize) ![]u32 {
    try in.take(key);
    const list = try in.integers(u32, low, high);
    for (1..@max(list.len, 1)) |i| if (list[i - 1] >= list[i]) return error.@"expected integers that increase";
    return list;
}
fn readDocument(in: *Request, model: microgpt.Model) ![]u32 {
    try in.take("tokens");
    const document = try in.integers(u32, 0, model.shape.vocabulary - 1);
    return if (document.len >= 2) document else error.@"expected two or more tokens";
}
fn readMatrices(in: *Request, prefix: []const u8, model: microgpt.Model) ![]f64 {
    var numbers: std.ArrayList(f64) = .empty;
    for (model.matrices) |matrix| {
        const size: [2]u32 = .{ matrix.span.len / matrix.columns, matrix.columns };
        _ = try in.tensor(&numbers, try std.mem.concat(in.arena, u8, &.{ prefix, matrix.name }), size, size);
    }
    return numbers.items;
}
fn writeMatrices(out: *Writer, prefix: []const u8, model: microgpt.Model, numbers: []const f64) !void {
    for (model.matrices) |w|
        try wire.writeTensor(out, prefix, w.name, w.columns, numbers[w.span.first..][0..w.span.len]);
}

fn forward(in: *Request, out: *Writer) !void {
    var model = try readModel(in);
    const document = try readDocument(in, model);
    try model.set(try readMatrices(in, "", model));
    model.trace = .empty;
    const loss = model.graph.get(.value, try model.loss(document));
    for (model.trace.?.items) |kept|
        try wire.writeTensor(out, "", kept[0], kept[1].len, model.graph.get(.value, kept[1]));
    try write(out, "loss", loss);
}
fn backward(in: *Request, out: *Writer) !void {
    var model = try readModel(in);
    const document = try readDocument(in, model);
    try model.set(try readMatrices(in, "", model));
    const loss = try model.loss(document);
    try model.graph.backward(loss);
    try write(out, "loss", model.graph.get(.value, loss));
    try writeMatrices(out, "", model, model.graph.get(.slope, model.parameters));
}

fn adam(in: *Request, out: *Writer) !void {
    try readMath(in);
    const optimizer = try in.fields(microgpt.Optimizer);
    const step = try in.count("step", 0, optimizer.steps - 1);
    const names = .{ "parameters", "gradients", "m", "v" };
    var lists: [4]std.ArrayList(f64) = @splat(.empty);
    var size: [2]u32 = try in.tensor(&lists[0], names[0], .{ 1, 1 }, .{ 2048, 2048 });
    inline for (1..4) |i| size = try in.tensor(&lists[i], names[i], size, size);
    const factors = optimizer.update(step, lists[0].items, lists[1].items, lists[2].items, lists[3].items);
    inline for (.{ "rate", "correction1", "correction2" }, factors) |name, factor| try write(out, name, [_]f64{factor});
    inline for (.{ 2, 3, 0 }) |i| try wire.writeTensor(out, "", names[i], size[1], lists[i].items);
}

fn train(in: *Request, out: *Writer) !void {
    var model = try readModel(in);
    const optimizer = try in.fields(microgpt.Optimizer);
    const first = try in.count("from", 0, optimizer.steps - 1);
    const end = first + try in.count("count", 1, optimizer.steps - first);
    const full = try readIncreasing(in, "full", first, end - 1);
    var documents: std.ArrayList([]const u32) = .empty;
    while (documents.items.len == 0 or std.mem.eql(u8, in.peek('\n'), "tokens"))
        try documents.append(in.arena, try readDocument(in, model));
    try model.set(try readMatrices(in, "", model));
    if (first > 0) model.m = try readMatrices(in, "m.", model);
    if (first > 0) model.v = try readMatrices(in, "v.", model);
    for (first..end) |step| {
        const loss = try model.train(optimizer, step, documents.items[step % documents.items.len]);
        try write(out, "step", [_]usize{step});
        try write(out, "loss", [_]f64{loss});
        const names = .{ "gradients", "m", "v", "parameters" };
        const nodes, const all = .{ &model.graph, model.parameters };
        const lists = .{ nodes.get(.slope, all), model.m, model.v, nodes.get(.value, all) };
        inline for (names, lists) |name, list| try wire.writeChecksum(out, name, list);
        if (std.mem.findScalar(u32, full, @intCast(step)) == null) continue;
        inline for (names, lists) |name, list| try writeMatrices(out, name ++ ".", model, list);
    }
}

fn sample(in: *Request, out: *Writer) !void {
    var model = try readModel(in);
    const head = try in.fields(struct { temperature: f64, samples: u32 });
    try model.set(try readMatrices(in, "", model));
    var generator: microgpt.Generator = .{ .words = undefined, .index = try in.count("state", 0, 624) };
    for (&generator.words) |*word| word.* = try in.integer(0, 0xffff_ffff);
    try in.take("kept");
    if (std.mem.eql(u8, in.rest, " none")) _ = in.word() else generator.kept = try in.double();
    const bos = model.shape.vocabulary - 1;
    for (0..head.samples) |number| {
        try write(out, "sample", [_]usize{number});
        var token = bos;
        for (0..model.shape.block) |t| {
            const probabilities = try model.predict(t, token, head.temperature);
            token = try generator.choice(probabilities);
            try write(out, "probabilities", probabilities);
            try write(out, "token", [_]u32{token});
            if (token == bos) break;
        }
    }
    try write(out, "word", [_]u32{generator.word()});
}

fn run(in: *Request, out: *Writer) !void {
    try readMath(in);
    const head = try in.fields(struct { preset: microgpt.PresetName, steps: u32, samples: u32 });
    var preset = microgpt.presets.get(head.preset);
    preset.optimizer.steps, preset.samples = .{ head.steps, head.samples };
    var text: Writer.Allocating = .init(in.arena);
    const model, var generator = try microgpt.run(in.arena, preset, try readLines(in), &text.writer);
    var characters = std.unicode.Utf8View.initUnchecked(text.written()[0 .. text.written().len - 1]).iterator();
    try out.writeAll("print");
    while (characters.nextCodepoint()) |c| if (c == '\n') try out.writeAll("\nprint") else try out.print(" {d}", .{c});
    try out.writeByte('\n');
    const lists = .{ model.graph.get(.value, model.parameters), model.m, model.v };
    inline for (.{ "parameters", "m", "v" }, lists) |name, list| try wire.writeChecksum(out, name, list);
    try write(out, "word", [_]u32{generator.word()});
}
