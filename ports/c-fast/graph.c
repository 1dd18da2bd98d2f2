#include "graph.h"

#include <stdbool.h>
#include <stdlib.h>

#include "memory.h"

enum { NO_NODE = -1 };

struct Node {
    double value, gradient;
    NodeId child[2];       /* NO_NODE where there is none */
    double local[2];       /* the derivative of this node by each child */
    bool visited;
};

void graph_free(Graph *graph)
{
    free(graph->node);
}

static NodeId new_node(Graph *graph, Node node)
{
    if (graph->count == graph->capacity) {
        graph->capacity = graph->capacity > 0 ? 2 * graph->capacity : 64;
        graph->node = reallocate(graph->node, (size_t)graph->capacity, sizeof *graph->node);
    }
    graph->node[graph->count] = node;
    return graph->count++;
}

static NodeId new_unary(Graph *graph, double value, NodeId a, double local)
{
    return new_node(graph, (Node){.value = value, .child = {a, NO_NODE}, .local = {local, 0.0}});
}

NodeId graph_leaf(Graph *graph, double value)
{
    return new_node(graph, (Node){.value = value, .child = {NO_NODE, NO_NODE}});
}

NodeId graph_add(Graph *graph, NodeId a, NodeId b)
{
    double sum = graph_value(graph, a) + graph_value(graph, b);
    return new_node(graph, (Node){.value = sum, .child = {a, b}, .local = {1.0, 1.0}});
}

NodeId graph_multiply(Graph *graph, NodeId a, NodeId b)
{
    double x = graph_value(graph, a), y = graph_value(graph, b);
    return new_node(graph, (Node){.value = x * y, .child = {a, b}, .local = {y, x}});
}

NodeId graph_power(Graph *graph, NodeId a, double exponent)
{
    double x = graph_value(graph, a);
    return new_unary(graph, graph->math->pow(x, exponent), a, exponent * graph->math->pow(x, exponent - 1.0));
}

NodeId graph_log(Graph *graph, NodeId a)
{
    double x = graph_value(graph, a);
    return new_unary(graph, graph->math->log(x), a, 1.0 / x);
}

NodeId graph_exp(Graph *graph, NodeId a)
{
    double power = graph->math->exp(graph_value(graph, a));
    return new_unary(graph, power, a, power);
}

NodeId graph_relu(Graph *graph, NodeId a)
{
    double x = graph_value(graph, a);
    return new_unary(graph, x > 0.0 ? x : 0.0, a, x > 0.0 ? 1.0 : 0.0);
}

/* The depth-first post-order from the root, children from left to right, into `order`; returns its length. The
 * path from the root down to the present node takes the place of recursion, which a deep graph would not
 * survive.
 */
static NodeId post_order(Graph *graph, NodeId root, NodeId *order)
{
    typedef struct { NodeId id; int next_child; } Visit;
    Visit *path = allocate((size_t)graph->count, sizeof *path);
    NodeId depth = 0, length = 0;
    path[depth++] = (Visit){root, 0};
    graph->node[root].visited = true;
    while (depth > 0) {
        Visit *visit = &path[depth - 1];
        NodeId child = visit->next_child < 2 ? graph->node[visit->id].child[visit->next_child] : NO_NODE;
        visit->next_child++;
        if (child == NO_NODE) {
            order[length++] = visit->id;
            depth--;
        } else if (!graph->node[child].visited) {
            graph->node[child].visited = true;
            path[depth++] = (Visit){child, 0};
        }
    }
    free(path);
    return length;
}

void graph_backward(Graph *graph, NodeId root)
{
    NodeId *order = allocate((size_t)graph->count, sizeof *order);
    NodeId length = post_order(graph, root, order);
    graph->node[root].gradient = 1.0;
    for (NodeId i = length - 1; i >= 0; i--) {
        const Node *node = &graph->node[order[i]];
        for (int k = 0; k < 2 && node->child[k] != NO_NODE; k++)
            graph->node[node->child[k]].gradient += node->local[k] * node->gradient;
    }
    free(order);
}

double graph_value(const Graph *graph, NodeId id)
{
    return graph->node[id].value;
}

double graph_gradient(const Graph *graph, NodeId id)
{
    return graph->node[id].gradient;
}
