//! The program: without arguments it answers requests from standard input until that ends; `microgpt run
//! [seed|classic] < names.txt` trains on names, one a line, and makes new ones.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Reader = std.Io.Reader;
const Writer = std.Io.Writer;
const Run = @import("Run.zig");
const Tokenizer = @import("Tokenizer.zig");
const verbs = @import("verbs.zig");
const wire = @import("wire.zig");

const usage =
    \\usage: microgpt                                 answer requests from standard input
    \\       microgpt run [seed|classic] < names.txt  train on the names and make new ones
    \\
;

/// Exit statuses: what was typed or read cannot be used; the machine has failed.
const refused = 2;
const failed = 1;

pub fn main(init: std.process.Init) u8 {
    var input_buffer: [wire.line_limit + 1]u8 = undefined; // a line and its LF
    var output_buffer: [1 << 16]u8 = undefined;
    var input = std.Io.File.stdin().readerStreaming(init.io, &input_buffer);
    var output = std.Io.File.stdout().writerStreaming(init.io, &output_buffer);
    obey(init, &input.interface, &output.interface) catch |err| switch (err) {
        error.WriteFailed => if (output.err) |cause| switch (cause) {
            error.BrokenPipe => return 0, // whoever reads has had enough
            else => return complain(failed, "standard output has failed: {t}", .{cause}),
        },
        error.ReadFailed => return complain(failed, "standard input has failed: {t}", .{input.err.?}),
        error.OutOfMemory => return complain(failed, "there is not enough memory", .{}),
        error.NoDocuments => return complain(refused, "the dataset has no documents: every line is empty", .{}),
        error.TooManyCharacters => return complain(refused, "the dataset has more than 2047 distinct characters", .{}),
        error.NotUtf8 => return complain(refused, "standard input is not text in UTF-8", .{}),
        error.NoProbabilities => return complain(refused, "training has diverged: probabilities are not finite", .{}),
        error.Usage => return refused,
    };
    return 0;
}

fn complain(status: u8, comptime format: []const u8, arguments: anytype) u8 {
    std.debug.print("microgpt: " ++ format ++ "\n", arguments);
    return status;
}

fn obey(init: std.process.Init, input: *Reader, output: *Writer) !void {
    var arguments = init.minimal.args.iterate();
    _ = arguments.skip();
    const command = arguments.next() orelse return answerAll(init.gpa, input, output);
    const name = arguments.next() orelse "seed";
    const preset = std.meta.stringToEnum(Run.Preset.Name, name);
    if (!std.mem.eql(u8, command, "run")) {
        std.debug.print("microgpt: there is no command '{s}'\n{s}", .{ command, usage });
    } else if (preset == null) {
        std.debug.print("microgpt: there is no preset '{s}'\n{s}", .{ name, usage });
    } else if (arguments.next()) |superfluous| {
        std.debug.print("microgpt: one preset is enough, '{s}' is too much\n{s}", .{ superfluous, usage });
    } else {
        return trainAndSample(init.arena.allocator(), .named(preset.?), input, output);
    }
    return error.Usage;
}

// ---------------------------------------------------------------- for people

fn trainAndSample(arena: Allocator, preset: Run.Preset, input: *Reader, output: *Writer) !void {
    const bytes = input.allocRemaining(arena, .unlimited) catch |err| switch (err) {
        error.StreamTooLong => unreachable,
        else => |e| return e,
    };
    const text = std.unicode.Utf8View.init(bytes) catch return error.NotUtf8;
    var lines: std.ArrayList([]const u21) = .empty;
    var line: std.ArrayList(u21) = .empty;
    var characters = text.iterator();
    while (characters.nextCodepoint()) |character| {
        if (character == '\n')
            try lines.append(arena, try line.toOwnedSlice(arena))
        else
            try line.append(arena, character);
    }
    try lines.append(arena, line.items);
    const run: *Run = try .create(arena, preset, lines.items, .exact);
    try run.perform(Lines{ .output = output });
}

const Lines = struct {
    output: *Writer,

    pub fn line(sink: Lines, comptime format: []const u8, arguments: anytype) !void {
        try sink.output.print(format ++ "\n", arguments);
        try sink.output.flush();
    }
};

// ---------------------------------------------------------------- for other programs

/// What one request may leave in memory for the next.
const retained = 1 << 24;

fn answerAll(gpa: Allocator, input: *Reader, output: *Writer) !void {
    var arena: std.heap.ArenaAllocator = .init(gpa);
    defer arena.deinit();
    var request: wire.Request = .{ .input = input };
    while (try request.begin()) {
        try answer(arena.allocator(), &request, output);
        try output.flush();
        _ = arena.reset(.{ .retain_with_limit = retained });
    }
}

/// Nothing of the reply is written before it is sure that there will be no error.
fn answer(arena: Allocator, request: *wire.Request, output: *Writer) !void {
    var id: []const u8 = "-";
    var reply: Writer.Allocating = .init(arena);
    const outcome = attempt(arena, request, &id, &reply.writer);
    const complete = try request.skip();
    if (outcome) |_| {
        try output.print("ok {s}\n", .{id});
        try output.writeAll(reply.written());
    } else |err| switch (err) {
        error.ReadFailed => return error.ReadFailed,
        error.BadRequest => try output.print("error {s} {s}\n", .{ id, request.reason }),
        error.Unsupported => {
            const reason = if (complete) "unsupported" else "the input ended before the line 'end'";
            try output.print("error {s} {s}\n", .{ id, reason });
        },
        // The reply is written to memory, too.
        error.OutOfMemory, error.WriteFailed => try output.print("error {s} this takes too much memory\n", .{id}),
    }
    try output.writeAll("end\n");
}

fn attempt(arena: Allocator, request: *wire.Request, id: *[]const u8, reply: *Writer) !void {
    const header = try request.header(arena);
    id.* = header.id;
    const verb = std.meta.stringToEnum(verbs.Verb, header.verb) orelse return error.Unsupported;
    try verbs.answer(verb, arena, request, reply);
}

fn expectReplies(requests: []const u8, expected: []const u8) !void {
    var input: Reader = .fixed(requests);
    var output: Writer.Allocating = .init(std.testing.allocator);
    defer output.deinit();
    try answerAll(std.testing.allocator, &input, &output.writer);
    try std.testing.expectEqualStrings(expected, output.written());
}

test "a request that breaks the protocol is answered once, and the next one as usual" {
    try expectReplies(
        \\arith a
        \\add 3ff0000000000000
        \\add 3ff0000000000000 3ff0000000000000
        \\end
        \\arith b
        \\add 3ff0000000000000 3ff0000000000000
        \\end
        \\
    ,
        \\error a add takes 2 values and not 1
        \\end
        \\ok b
        \\add 4000000000000000
        \\end
        \\
    );
}

test "an unknown verb is unsupported" {
    try expectReplies("sing a\nloudly\nend\n", "error a unsupported\nend\n");
}

test "the input may end anywhere" {
    try expectReplies("hello a\n", "error a the input ended before the line 'end'\nend\n");
    try expectReplies("sing a\nen", "error a the input ended before the line 'end'\nend\n");
    try expectReplies("", "");
}

test {
    _ = @import("by_the_rule.zig");
    _ = @import("exact.zig");
    _ = @import("Generator.zig");
    _ = @import("Graph.zig");
    _ = Run;
    _ = Tokenizer;
    _ = wire;
}
