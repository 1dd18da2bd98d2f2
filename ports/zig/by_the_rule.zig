//! The model as SPEC, section 6, writes it down: a node for every number. Only for testing that `Model` and
//! `Tape`, which take whole layers at once, give the same bits.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Generator = @import("Generator.zig");
const Graph = @import("Graph.zig");
const Id = Graph.Id;
const Model = @import("Model.zig");

const Rule = struct {
    arena: Allocator,
    graph: Graph,
    model: *const Model,
    /// For each layer and position.
    keys: [][][]Id,
    values: [][][]Id,

    /// Parameters are the first nodes, in order.
    fn init(arena: Allocator, model: *const Model, positions: usize) !Rule {
        var graph: Graph = .init(arena, model.tape.functions);
        for (model.parameters()) |number| _ = try graph.leaf(number);
        const keys = try arena.alloc([][]Id, model.config.layers);
        const values = try arena.alloc([][]Id, model.config.layers);
        for (keys, values) |*key, *value| {
            key.* = try arena.alloc([]Id, positions);
            value.* = try arena.alloc([]Id, positions);
        }
        return .{ .arena = arena, .graph = graph, .model = model, .keys = keys, .values = values };
    }

    fn linear(rule: *Rule, x: []const Id, role: Model.Role, layer: usize) ![]Id {
        const matrix = rule.model.matrixOf(role, layer);
        const result = try rule.arena.alloc(Id, matrix.rows);
        for (result, 0..) |*element, row| {
            const products = try rule.arena.alloc(Id, x.len);
            for (products, x, 0..) |*product, factor, j|
                product.* = try rule.graph.mul(@intCast(matrix.numbers.start + row * x.len + j), factor);
            element.* = try rule.graph.sum(products);
        }
        return result;
    }

    fn multiplyAll(rule: *Rule, a: []const Id, b: []const Id) ![]Id {
        const result = try rule.arena.alloc(Id, a.len);
        for (result, a, b) |*product, x, y| product.* = try rule.graph.mul(x, y);
        return result;
    }

    fn addAll(rule: *Rule, a: []const Id, b: []const Id) ![]Id {
        const result = try rule.arena.alloc(Id, a.len);
        for (result, a, b) |*sum, x, y| sum.* = try rule.graph.add(x, y);
        return result;
    }

    fn rmsnorm(rule: *Rule, x: []const Id) ![]Id {
        const share = rule.graph.functions.pow(@floatFromInt(x.len), -1);
        const mean = try rule.graph.mulNumber(try rule.graph.sum(try rule.multiplyAll(x, x)), share);
        const scale = try rule.graph.pow(try rule.graph.addNumber(mean, 1e-5), -0.5);
        const result = try rule.arena.dupe(Id, x);
        for (result) |*element| element.* = try rule.graph.mul(element.*, scale);
        return result;
    }

    fn softmax(rule: *Rule, x: []const Id) ![]Id {
        var top = rule.graph.value(x[0]);
        for (x) |id| top = if (rule.graph.value(id) > top) rule.graph.value(id) else top;
        const result = try rule.arena.dupe(Id, x);
        for (result) |*element| element.* = try rule.graph.exp(try rule.graph.addNumber(element.*, -top));
        const total = try rule.graph.sum(result);
        for (result) |*element| element.* = try rule.graph.div(element.*, total);
        return result;
    }

    fn attend(rule: *Rule, x: []const Id, t: usize, layer: usize) ![]Id {
        const size = rule.model.config.embedding / rule.model.config.heads;
        const factor = rule.graph.functions.pow(rule.graph.functions.pow(@floatFromInt(size), 0.5), -1);
        const q = try rule.linear(x, .attn_wq, layer);
        rule.keys[layer][t] = try rule.linear(x, .attn_wk, layer);
        rule.values[layer][t] = try rule.linear(x, .attn_wv, layer);
        var result: std.ArrayList(Id) = .empty;
        for (0..rule.model.config.heads) |head| {
            const from = head * size;
            const positions = rule.model.config.attention[t];
            const scores = try rule.arena.alloc(Id, positions.len);
            for (scores, positions) |*score, s| {
                const terms = try rule.multiplyAll(q[from..][0..size], rule.keys[layer][s][from..][0..size]);
                score.* = try rule.graph.mulNumber(try rule.graph.sum(terms), factor);
            }
            const weights = try rule.softmax(scores);
            for (from..from + size) |j| {
                const terms = try rule.arena.alloc(Id, positions.len);
                for (terms, weights, positions) |*term, weight, s|
                    term.* = try rule.graph.mul(weight, rule.values[layer][s][j]);
                try result.append(rule.arena, try rule.graph.sum(terms));
            }
        }
        return result.items;
    }

    fn parameterRow(rule: *Rule, role: Model.Role, i: usize) ![]Id {
        const matrix = rule.model.matrixOf(role, 0);
        const result = try rule.arena.alloc(Id, matrix.columns);
        for (result, 0..) |*element, j| element.* = @intCast(matrix.numbers.start + i * matrix.columns + j);
        return result;
    }

    fn logits(rule: *Rule, token: u32, t: usize) ![]Id {
        const embedded = try rule.addAll(try rule.parameterRow(.wte, token), try rule.parameterRow(.wpe, t));
        var x = try rule.rmsnorm(embedded);
        for (0..rule.model.config.layers) |layer| {
            const mixed = try rule.attend(try rule.rmsnorm(x), t, layer);
            x = try rule.addAll(try rule.linear(mixed, .attn_wo, layer), x);
            const hidden = try rule.linear(try rule.rmsnorm(x), .mlp_fc1, layer);
            for (hidden) |*element| {
                element.* = try rule.graph.relu(element.*);
                if (rule.model.config.activation == .squared_relu) element.* = try rule.graph.pow(element.*, 2);
            }
            x = try rule.addAll(try rule.linear(hidden, .mlp_fc2, layer), x);
        }
        return rule.linear(x, .lm_head, 0);
    }

    fn documentLoss(rule: *Rule, tokens: []const u32) !Id {
        var losses: std.ArrayList(Id) = .empty;
        const count = @min(rule.model.config.block, tokens.len - 1);
        for (tokens[0..count], tokens[1..][0..count], 0..) |token, target, t| {
            const probabilities = try rule.softmax(try rule.logits(token, t));
            try losses.append(rule.arena, try rule.graph.neg(try rule.graph.log(probabilities[target])));
        }
        return rule.graph.mulNumber(try rule.graph.sum(losses.items), 1 / @as(f64, @floatFromInt(count)));
    }
};

fn shape(
    layers: usize,
    heads: usize,
    embedding: usize,
    vocabulary: usize,
    activation: Model.Activation,
    attention: []const []const u32,
) Model.Config {
    return .{
        .layers = layers,
        .heads = heads,
        .embedding = embedding,
        .block = attention.len,
        .vocabulary = vocabulary,
        .activation = activation,
        .attention = attention,
    };
}

test "layers give the bits of their nodes" {
    const window = [_][]const u32{ &.{0}, &.{1}, &.{ 0, 2 }, &.{3}, &.{ 1, 2, 4 } };
    var generator: Generator = .seeded(7);
    for ([_]Model.Config{
        shape(1, 4, 16, 9, .relu, Model.causal(5)),
        shape(3, 2, 6, 4, .squared_relu, &window),
        shape(2, 1, 11, 3, .relu, &window),
        shape(2, 3, 3, 2, .relu, Model.causal(5)),
    }) |config| {
        var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
        defer arena.deinit();
        var model: Model = try .init(arena.allocator(), config, .exact);
        _ = try model.tape.room(model.parameter_count);
        for (model.parameters()) |*number| number.* = generator.gauss(0.5, .exact);
        const tokens = [_]u32{ config.bos(), 0, 1, 1, 0, config.bos() };

        const loss = try model.documentLoss(&tokens, Model.Unwatched{});
        try model.tape.backward(loss);
        var rule: Rule = try .init(arena.allocator(), &model, tokens.len - 1);
        const root = try rule.documentLoss(&tokens);
        try rule.graph.backward(root);

        try std.testing.expectEqual(rule.graph.value(root), model.tape.value(loss)[0]);
        for (model.gradients(), 0..) |gradient, i|
            try std.testing.expectEqual(rule.graph.gradient(@intCast(i)), gradient);
    }
}
