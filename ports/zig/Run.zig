//! A whole run: from the lines of a dataset, with seed 42, to a trained model and its samples. SPEC,
//! section 10.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Writer = std.Io.Writer;
const Functions = @import("functions.zig").Functions;
const Generator = @import("Generator.zig");
const Model = @import("Model.zig");
const Optimizer = @import("Optimizer.zig");
const Tokenizer = @import("Tokenizer.zig");
const Training = @import("Training.zig");

const Run = @This();

preset: Preset,
arena: Allocator,
tokenizer: Tokenizer,
/// Encoded and shuffled.
documents: []const []const u32,
generator: Generator,
model: Model,
training: Training,

pub const Preset = struct {
    config: Model.Config,
    optimizer: Optimizer,
    /// of the initial parameters
    sigma: f64,
    /// of those of attn_wo and mlp_fc2
    output_sigma: f64,
    temperature: f64 = 0.5,
    samples: u32 = 20,

    pub const Name = enum { seed, classic };

    pub fn named(name: Name) Preset {
        return switch (name) {
            .seed => .{
                .config = shape(8, .squared_relu),
                .optimizer = .{
                    .learning_rate = 0.01,
                    .beta1 = 0.9,
                    .beta2 = 0.95,
                    .epsilon = 1e-8,
                    .schedule = .cosine,
                    .steps = 500,
                },
                .sigma = 0.02,
                .output_sigma = 0,
            },
            .classic => .{
                .config = shape(16, .relu),
                .optimizer = .{
                    .learning_rate = 0.01,
                    .beta1 = 0.85,
                    .beta2 = 0.99,
                    .epsilon = 1e-8,
                    .schedule = .linear,
                    .steps = 1000,
                },
                .sigma = 0.08,
                .output_sigma = 0.08,
            },
        };
    }

    /// The vocabulary is the dataset's, and not known yet.
    fn shape(comptime block: usize, activation: Model.Activation) Model.Config {
        return .{
            .layers = 1,
            .heads = 4,
            .embedding = 16,
            .block = block,
            .vocabulary = undefined,
            .activation = activation,
            .attention = Model.causal(block),
        };
    }
};

/// The run is part of the arena, like all that it needs.
pub fn create(arena: Allocator, preset: Preset, lines: []const []const u21, functions: Functions) !*Run {
    const run = try arena.create(Run);
    const documents = try Tokenizer.documentsOf(arena, lines);
    if (documents.len == 0) return error.NoDocuments;
    run.generator = .seeded(42);
    run.generator.shuffle([]const u21, documents);
    run.tokenizer = try .init(arena, documents);
    if (run.tokenizer.characters.len > Tokenizer.most_characters) return error.TooManyCharacters;
    const encoded = try arena.alloc([]const u32, documents.len);
    for (encoded, documents) |*tokens, document| tokens.* = try run.tokenizer.encode(arena, document);

    run.preset = preset;
    run.preset.config.vocabulary = run.tokenizer.characters.len + 1;
    run.arena = arena;
    run.documents = encoded;
    run.model = try .init(arena, run.preset.config, functions);
    try run.drawParameters();
    run.training = try .init(arena, &run.model, preset.optimizer);
    return run;
}

/// Those of sigma 0 are drawn too, so that the stream stays the same.
fn drawParameters(run: *Run) !void {
    _ = try run.model.tape.room(run.model.parameter_count);
    for (run.model.matrices) |matrix| {
        const sigma = switch (matrix.role) {
            .attn_wo, .mlp_fc2 => run.preset.output_sigma,
            else => run.preset.sigma,
        };
        for (run.model.tape.value(matrix.numbers)) |*number|
            number.* = run.generator.gauss(sigma, run.model.tape.functions);
    }
}

/// Train and sample, telling all about it: `sink.line(format, arguments)` takes one line of text.
pub fn perform(run: *Run, sink: anytype) !void {
    const steps = run.preset.optimizer.steps;
    try sink.line("num docs: {d}", .{run.documents.len});
    try sink.line("vocab size: {d}", .{run.preset.config.vocabulary});
    try sink.line("num params: {d}", .{run.model.parameter_count});
    for (0..steps) |step| {
        const loss = try run.training.advance(run.documents[step % run.documents.len]);
        try sink.line("step {d:>4} / {d:>4} | loss {f}", .{ step + 1, steps, FourDecimals{ .number = loss } });
    }
    try sink.line("", .{});
    try sink.line("--- inference (new, hallucinated names) ---", .{});
    const room = try run.arena.alloc(f64, run.preset.config.vocabulary);
    for (0..run.preset.samples) |i| {
        var sampler: Model.Sampler = try .init(&run.model, &run.generator, run.preset.temperature, room);
        var name: std.ArrayList(u21) = .empty;
        defer name.deinit(run.arena);
        while (try sampler.next()) |draw| {
            if (draw.token == run.tokenizer.bos()) break;
            try name.append(run.arena, run.tokenizer.characters[draw.token]);
        }
        try sink.line("sample {d:>2}: {f}", .{ i + 1, Characters{ .characters = name.items } });
    }
}

/// Text in UTF-8.
const Characters = struct {
    characters: []const u21,

    pub fn format(text: Characters, writer: *Writer) Writer.Error!void {
        for (text.characters) |character| try writer.print("{u}", .{character});
    }
};

/// The decimal number that is nearest to the double's true value, ties to even. (The standard library
/// rounds the shortest decimal instead, which is a second rounding.)
const FourDecimals = struct {
    number: f64,

    pub fn format(decimals: FourDecimals, writer: *Writer) Writer.Error!void {
        const parts = std.math.frexp(decimals.number);
        if (std.math.signbit(decimals.number) and !std.math.isNan(decimals.number)) try writer.writeByte('-');
        if (std.math.isNan(decimals.number)) return writer.writeAll("nan");
        if (std.math.isInf(decimals.number)) return writer.writeAll("inf");

        const Exact = u1088; // 2^1024 * 10^4 < 2^1038
        const integer: u64 = @intFromFloat(@abs(std.math.ldexp(parts.significand, 53)));
        const exponent = parts.exponent - 53;
        var scaled: Exact = @as(Exact, integer) * 10_000;
        if (exponent >= 0) {
            scaled <<= @intCast(exponent);
        } else {
            const dropped: u11 = @intCast(@min(-exponent, 100)); // below 2^67
            const half = @as(Exact, 1) << dropped - 1;
            const rest = scaled & 2 * half - 1;
            scaled >>= dropped;
            if (rest > half or (rest == half and scaled & 1 == 1)) scaled += 1;
        }
        try writer.print("{d}.{d:0>4}", .{ scaled / 10_000, @as(u16, @intCast(scaled % 10_000)) });
    }
};

test "losses are rounded from their true value" {
    const cases = .{
        .{ 3.3660, "3.3660" },
        .{ 0.00005, "0.0001" }, // the double is a little above
        .{ 0.00015, "0.0001" }, // and this one a little below
        .{ 0.03125, "0.0312" }, // exactly in the middle: to even
        .{ 0.09375, "0.0938" },
        .{ 0x1p-1074, "0.0000" },
        .{ -2e-16, "-0.0000" },
        .{ 0x1p100, "1267650600228229401496703205376.0000" },
        .{ std.math.nan(f64), "nan" },
        .{ -std.math.inf(f64), "-inf" },
    };
    inline for (cases) |case| {
        var buffer: [64]u8 = undefined;
        const printed = try std.fmt.bufPrint(&buffer, "{f}", .{FourDecimals{ .number = case[0] }});
        try std.testing.expectEqualStrings(case[1], printed);
    }
}
