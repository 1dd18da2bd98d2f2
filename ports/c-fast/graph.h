/* A graph of single numbers, for any expression (SPEC, section 5): the plain form of automatic differentiation,
 * node by node.
 *
 * This is what the verb `graph` asks for. Training uses the tape (tape.h), which packs many nodes into one
 * instruction.
 */
#ifndef GRAPH_H
#define GRAPH_H

#include <stdint.h>

#include "functions.h"

typedef int32_t NodeId;

typedef struct Node Node;

typedef struct {
    const Functions *math;
    Node *node;
    NodeId count, capacity;
} Graph;

void graph_free(Graph *graph);

NodeId graph_leaf(Graph *graph, double value);
NodeId graph_add(Graph *graph, NodeId a, NodeId b);
NodeId graph_multiply(Graph *graph, NodeId a, NodeId b);
NodeId graph_power(Graph *graph, NodeId a, double exponent);
NodeId graph_log(Graph *graph, NodeId a);
NodeId graph_exp(Graph *graph, NodeId a);
NodeId graph_relu(Graph *graph, NodeId a);

/* The gradient of every node that the root reaches; the others keep +0.0. Once for each graph. */
void graph_backward(Graph *graph, NodeId root);

double graph_value(const Graph *graph, NodeId id);
double graph_gradient(const Graph *graph, NodeId id);

#endif
