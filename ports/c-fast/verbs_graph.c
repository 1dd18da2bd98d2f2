#include "verbs.h"

#include <stdlib.h>

#include "fields.h"
#include "graph.h"
#include "memory.h"

typedef enum {
    E_LEAF, E_ADD, E_SUB, E_MUL, E_DIV, E_NEG, E_POW, E_EXP, E_LOG, E_RELU,
    E_ADD_NUMBER, E_SUB_NUMBER, E_MUL_NUMBER, E_DIV_NUMBER, E_NUMBER_SUB, E_NUMBER_DIV, EXPRESSIONS
} ExpressionKind;

static const struct { const char *key; int32_t nodes, numbers; } expressions[EXPRESSIONS] = {
    [E_LEAF] = {"leaf", 0, 1},
    [E_ADD] = {"add", 2, 0},
    [E_SUB] = {"sub", 2, 0},
    [E_MUL] = {"mul", 2, 0},
    [E_DIV] = {"div", 2, 0},
    [E_NEG] = {"neg", 1, 0},
    [E_POW] = {"pow", 1, 1},
    [E_EXP] = {"exp", 1, 0},
    [E_LOG] = {"log", 1, 0},
    [E_RELU] = {"relu", 1, 0},
    [E_ADD_NUMBER] = {"add_number", 1, 1},
    [E_SUB_NUMBER] = {"sub_number", 1, 1},
    [E_MUL_NUMBER] = {"mul_number", 1, 1},
    [E_DIV_NUMBER] = {"div_number", 1, 1},
    [E_NUMBER_SUB] = {"number_sub", 1, 1},
    [E_NUMBER_DIV] = {"number_div", 1, 1},
};

static NodeId negative(Graph *graph, NodeId a)
{
    return graph_multiply(graph, a, graph_leaf(graph, -1.0));
}

/* The nodes of an expression of the nodes a and b and the plain number c; the last one. */
static NodeId build(Graph *graph, ExpressionKind kind, NodeId a, NodeId b, double c)
{
    switch (kind) {
    case E_ADD: return graph_add(graph, a, b);
    case E_SUB: return graph_add(graph, a, negative(graph, b));
    case E_MUL: return graph_multiply(graph, a, b);
    case E_DIV: return graph_multiply(graph, a, graph_power(graph, b, -1.0));
    case E_NEG: return negative(graph, a);
    case E_POW: return graph_power(graph, a, c);
    case E_EXP: return graph_exp(graph, a);
    case E_LOG: return graph_log(graph, a);
    case E_RELU: return graph_relu(graph, a);
    case E_ADD_NUMBER: return graph_add(graph, a, graph_leaf(graph, c));
    case E_SUB_NUMBER: return graph_add(graph, a, graph_leaf(graph, -c));
    case E_MUL_NUMBER: return graph_multiply(graph, a, graph_leaf(graph, c));
    case E_DIV_NUMBER: return graph_multiply(graph, a, graph_leaf(graph, graph->math->pow(c, -1.0)));
    case E_NUMBER_SUB: return graph_add(graph, negative(graph, a), graph_leaf(graph, c));
    case E_NUMBER_DIV: return graph_multiply(graph, graph_power(graph, a, -1.0), graph_leaf(graph, c));
    default: return graph_leaf(graph, c);
    }
}

/* The expressions of the request: `number` of them, each by its last node. */
typedef struct {
    Graph graph;
    NodeId *node;
    int32_t count, capacity;
} Expressions;

static void add_expression(Expressions *all, NodeId node)
{
    if (all->count == all->capacity) {
        all->capacity = 2 * all->capacity + 16;
        all->node = reallocate(all->node, (size_t)all->capacity, sizeof *all->node);
    }
    all->node[all->count++] = node;
}

static NodeId next_node(Request *in, const Expressions *all)
{
    return all->node[next_integer(in, 0, all->count - 1)];
}

static void read_sum(Request *in, Expressions *all)
{
    int32_t count = begin_line(in, "sum", 1, ANY_NUMBER);
    NodeId total = graph_add(&all->graph, next_node(in, all), graph_leaf(&all->graph, 0.0));
    for (int32_t i = 1; i < count; i++)
        total = graph_add(&all->graph, total, next_node(in, all));
    end_line(in);
    add_expression(all, total);
}

static void read_expression(Request *in, Expressions *all)
{
    int kind = E_LEAF;
    while (kind < EXPRESSIONS && !next_key_is(in, expressions[kind].key))
        kind++;
    if (kind == EXPRESSIONS) {
        unexpected_key(in, "an expression or root");
        return;
    }
    int32_t nodes = expressions[kind].nodes, numbers = expressions[kind].numbers;
    begin_line(in, expressions[kind].key, nodes + numbers, nodes + numbers);
    NodeId a = nodes > 0 ? next_node(in, all) : 0, b = nodes > 1 ? next_node(in, all) : 0;
    double c = kind == E_POW ? next_exponent(in, 1024.0) : numbers > 0 ? next_double(in) : 0.0;
    end_line(in);
    if (!in->failed)
        add_expression(all, build(&all->graph, (ExpressionKind)kind, a, b, c));
}

void answer_graph(Request *in, Reply *out)
{
    Expressions all = {.graph.math = read_math(in)};
    if (!next_key_is(in, "leaf"))
        unexpected_key(in, "a leaf first");
    while (more_lines(in) && !next_key_is(in, "root")) {
        if (next_key_is(in, "sum"))
            read_sum(in, &all);
        else
            read_expression(in, &all);
    }
    begin_line(in, "root", 1, 1);
    NodeId root = in->failed ? 0 : next_node(in, &all);
    end_line(in);
    if (request_ended(in)) {
        graph_backward(&all.graph, root);
        for (int32_t i = 0; i < all.count; i++)
            reply_double_line(out, "value", graph_value(&all.graph, all.node[i]));
        for (int32_t i = 0; i < all.count; i++)
            reply_double_line(out, "gradient", graph_gradient(&all.graph, all.node[i]));
    }
    graph_free(&all.graph);
    free(all.node);
}
