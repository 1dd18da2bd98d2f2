/* Automatic differentiation (SPEC, section 5): numbers that know how they were made.
 *
 * A node has terms, each with a child a, or two, a and b. In a sum of products, such as a dot product or a single product,
 * the derivative by a[i] is b[i] and by b[i] is a[i]; in any other node it is `local`, by every child.
 */
#pragma once
#include "exact.h"

typedef int32_t Id; /* nodes are numbered as they are made */

typedef struct { Id first; int32_t count; } Vector; /* of nodes side by side */

enum { NOBODY = -1 };

typedef struct {
    Id a, b;           /* the first children, b or NOBODY; those of the other terms follow them */
    int32_t terms;     /* 0 for a leaf */
    int32_t next;      /* the first term whose children may not have been visited */
    Id back;           /* where the visit came from, and later which node it finished before */
    bool is_product;
    double local;
} Node;

typedef struct {
    Id count, parameters; /* the parameters are the first nodes, and leaves */
    double *value, *gradient;
    Node *node;
    bool *visited; /* as a leaf is from the beginning: there is nothing below it */
    Id capacity;
} Graph;

static inline Id append(Graph *g, double value, Node node) {
    if (g->count == g->capacity) {
        g->value = grown(g->value, (size_t)g->count, sizeof *g->value);
        g->gradient = grown(g->gradient, (size_t)g->count, sizeof *g->gradient);
        g->node = grown(g->node, (size_t)g->count, sizeof *g->node);
        g->visited = grown(g->visited, (size_t)g->count, sizeof *g->visited);
        g->capacity = g->count > 0 ? 2 * g->count : 1;
    }
    g->value[g->count] = value;
    g->node[g->count] = node;
    g->visited[g->count] = node.terms == 0;
    return g->count++;
}
/* A node of one child, given its value and its derivative. */
static inline Id apply(Graph *g, Id a, double y, double slope) {
    return append(g, y, (Node){.a = a, .b = NOBODY, .terms = 1, .local = slope});
}
static Id leaf(Graph *g, double value) { return append(g, value, (Node){.a = NOBODY, .b = NOBODY}); }
static Id add(Graph *g, Id a, Id b) {
    return append(g, g->value[a] + g->value[b], (Node){.a = a, .b = b, .terms = 1, .local = 1.0});
}
static Id multiply(Graph *g, Id a, Id b) {
    return append(g, g->value[a] * g->value[b], (Node){.a = a, .b = b, .terms = 1, .is_product = true});
}
static Id power(Graph *g, Id a, double c) {
    return apply(g, a, math->pow(g->value[a], c), c * math->pow(g->value[a], c - 1.0));
}
static Id exponential(Graph *g, Id a) {
    double y = math->exp(g->value[a]);
    return apply(g, a, y, y);
}
static Id logarithm(Graph *g, Id a) { return apply(g, a, math->log(g->value[a]), 1.0 / g->value[a]); }
static Id relu(Graph *g, Id a) { return g->value[a] > 0.0 ? apply(g, a, g->value[a], 1.0) : apply(g, a, 0.0, 0.0); }
/* Nobody asks for the gradient of the plain number c, so it needs no node. */
static Id add_number(Graph *g, Id a, double c) { return apply(g, a, g->value[a] + c, 1.0); }
static Id multiply_number(Graph *g, Id a, double c) { return apply(g, a, g->value[a] * c, c); }
static Id negative(Graph *g, Id a) { return multiply_number(g, a, -1.0); }

/* A whole sum as one node, and a whole dot product: "Taking nodes together". */
static Id sum(Graph *g, Vector x) {
    double total = 0.0;
    for (int32_t i = 0; i < x.count; i++) total += g->value[x.first + i];
    return append(g, total, (Node){.a = x.first, .b = NOBODY, .terms = x.count, .local = 1.0});
}
static Id dot(Graph *g, Vector x, Id y) {
    double total = 0.0;
    for (int32_t i = 0; i < x.count; i++) total += g->value[x.first + i] * g->value[y + i];
    return append(g, total, (Node){.a = x.first, .b = y, .terms = x.count, .is_product = true});
}
/* The first of these children that has not been visited, or as many as there are. */
static inline int32_t unvisited(const Graph *g, Id first, int32_t from, int32_t terms) {
    if (first < g->parameters) return terms;
    while (from < terms && g->visited[first + from]) from++;
    return from;
}
static inline void add_scaled(double *restrict gradient, const double *restrict x, int32_t count, double factor) {
    for (int32_t i = 0; i < count; i++) gradient[i] += x[i] * factor;
}
/* The derivative of the root by every node, once for every root.
 *
 * First the depth-first post-order, without recursion and but for leaves: `back` then leads from the root through all of it.
 */
static void backward(Graph *g, Id root) {
    Id last = NOBODY;
    g->node[root].back = NOBODY;
    for (Id id = root; id != NOBODY;) {
        Node *node = &g->node[id];
        int32_t a = unvisited(g, node->a, node->next, node->terms), b = unvisited(g, node->b, node->next, node->terms);
        node->next = a < b ? a : b;
        if (node->next < node->terms) {
            Id child = a <= b ? node->a + a : node->b + b;
            g->visited[child] = true;
            g->node[child].back = id;
            id = child;
        } else {
            Id parent = node->back;
            node->back = last;
            last = id;
            id = parent;
        }
    }
    memset(g->gradient, 0, (size_t)g->count * sizeof *g->gradient);
    g->gradient[root] = 1.0;
    for (Id id = root; id != NOBODY; id = g->node[id].back) {
        Node node = g->node[id];
        double of_node = g->gradient[id], local = node.local * of_node;
        if (node.is_product) {
            add_scaled(g->gradient + node.a, g->value + node.b, node.terms, of_node);
            add_scaled(g->gradient + node.b, g->value + node.a, node.terms, of_node);
            continue;
        }
        for (int32_t i = 0; i < node.terms; i++) {
            g->gradient[node.a + i] += local;
            if (node.b != NOBODY) g->gradient[node.b + i] += local;
        }
    }
}
