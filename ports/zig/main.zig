//! The program: without arguments it answers requests from standard input until that ends; `microgpt run
//! [seed|classic] < names.txt` trains on names, one a line, and makes new ones.

const std = @import("std");
const Reader = std.Io.Reader;
const Writer = std.Io.Writer;
const microgpt = @import("microgpt.zig");
const verbs = @import("verbs.zig");
const wire = @import("wire.zig");

pub fn main(init: std.process.Init) u8 {
    var input_buffer: [wire.line_limit + 1]u8 = undefined;
    var output_buffer: [1 << 16]u8 = undefined;
    var input = std.Io.File.stdin().readerStreaming(init.io, &input_buffer);
    var output = std.Io.File.stdout().writerStreaming(init.io, &output_buffer);
    obey(init, &input.interface, &output.interface) catch |err| {
        std.debug.print("microgpt: {s}\n", .{switch (err) {
            error.Usage => "usage: microgpt, or microgpt run [seed|classic] < names.txt",
            error.NotUtf8 => "standard input is not text in UTF-8",
            error.ReadFailed => "standard input cannot be read",
            error.WriteFailed => "standard output cannot be written",
            error.StreamTooLong, error.EndOfStream => unreachable,
            else => |e| reasonOf(e),
        }});
        return 1;
    };
    return 0;
}

fn reasonOf(err: microgpt.Error) []const u8 {
    return switch (err) {
        error.NoDocuments => "the dataset has no documents: every line is empty",
        error.TooManyCharacters => "the dataset has more than 2047 distinct characters",
        error.NoProbabilities => "the weights of a choice must add up to a finite number above 0",
        error.OutOfMemory => "there is not enough memory",
    };
}

fn obey(init: std.process.Init, input: *Reader, output: *Writer) !void {
    var arguments = init.minimal.args.iterate();
    _ = arguments.skip();
    const command = arguments.next() orelse return answerAll(init.gpa, input, output);
    const name = std.meta.stringToEnum(microgpt.PresetName, arguments.next() orelse "seed");
    if (!std.mem.eql(u8, command, "run") or name == null or arguments.next() != null) return error.Usage;

    const arena = init.arena.allocator();
    var lines: std.ArrayList(microgpt.Text) = .empty;
    var texts = std.mem.splitScalar(u8, try input.allocRemaining(arena, .unlimited), '\n');
    while (texts.next()) |text| {
        var line: std.ArrayList(u21) = .empty;
        var characters = (std.unicode.Utf8View.init(text) catch return error.NotUtf8).iterator();
        while (characters.nextCodepoint()) |character| try line.append(arena, character);
        try lines.append(arena, line.items);
    }
    var run: microgpt.Run = try .init(arena, microgpt.presets.get(name.?), lines.items);
    try run.perform(output);
}

fn answerAll(gpa: std.mem.Allocator, input: *Reader, output: *Writer) !void {
    var memory: std.heap.ArenaAllocator = .init(gpa);
    defer memory.deinit();
    const arena = memory.allocator();
    while (try wire.Request.read(arena, input)) |read| : (_ = memory.reset(.{ .retain_with_limit = 1 << 24 })) {
        var request = read;
        var id: []const u8 = "-";
        var reply: Writer.Allocating = .init(arena);
        if (answer(arena, &request, &id, &reply.writer)) {
            try output.print("ok {s}\n{s}end\n", .{ id, reply.written() });
        } else |err| try output.print("error {s} {s}\nend\n", .{
            id,
            switch (err) {
                error.BadRequest => request.reason,
                error.Unsupported => "unsupported",
                error.WriteFailed => reasonOf(error.OutOfMemory), // the reply is in memory
                else => |e| reasonOf(e),
            },
        });
        try output.flush();
    }
}

fn answer(arena: std.mem.Allocator, request: *wire.Request, id: *[]const u8, reply: *Writer) verbs.Error!void {
    const verb, id.* = try request.header();
    if (!request.complete) return request.fail("the input ended before the line end", .{});
    try verbs.answer(verb, arena, request, reply);
}
