/* Automatic differentiation (SPEC, section 5): numbers that know how they were made. A node has terms, each with one
 * child a, or two, a and b. In a sum of products, such as a dot product or a single one, the derivative by a[i] is b[i]
 * and by b[i] is a[i]; in any other node it is `local`, by every child. */
#pragma once
#include "exact.h"

typedef int32_t Id; enum { NOBODY = -1 }; /* nodes are numbered as they are made */
typedef struct { Id first; int32_t count; } Vector; /* of nodes side by side */
typedef struct {
    Id a, b;             /* the first children, b or NOBODY; those of the other terms follow them */
    int32_t terms, next; /* 0 for a leaf; and the first term whose children may not have been visited */
    Id back;             /* where the visit came from, and later which node it finished before */
    bool is_product; double local;
} Node;
typedef struct {
    Id count, capacity, parameters; /* the parameters are the first nodes, and leaves */
    double *value, *gradient;
    Node *node;
    bool *visited; /* as a leaf is from the beginning: there is nothing below it */
} Graph;
static inline Id append(Graph *g, double value, int32_t terms, Id a, Id b, bool is_product, double local) {
    if (g->count == g->capacity) {
        GROW(g->value, g->count), GROW(g->gradient, g->count), GROW(g->node, g->count), GROW(g->visited, g->count);
        g->capacity = g->count > 0 ? 2 * g->count : 1;
    }
    g->value[g->count] = value;
    g->node[g->count] = (Node){.a = a, .b = b, .terms = terms, .is_product = is_product, .local = local};
    g->visited[g->count] = terms == 0;
    return g->count++;
}
/* A node of one child, given its value y and its derivative. */
static inline Id apply(Graph *g, Id a, double y, double slope) { return append(g, y, 1, a, NOBODY, false, slope); }
static Id leaf(Graph *g, double value) { return append(g, value, 0, NOBODY, NOBODY, false, 0.0); }
static Id add(Graph *g, Id a, Id b) { return append(g, g->value[a] + g->value[b], 1, a, b, false, 1.0); }
static Id multiply(Graph *g, Id a, Id b) { return append(g, g->value[a] * g->value[b], 1, a, b, true, 0.0); }
static Id power(Graph *g, Id a, double c) {
    return apply(g, a, math->pow(g->value[a], c), c * math->pow(g->value[a], c - 1.0));
}
static Id exponential(Graph *g, Id a) { double y = math->exp(g->value[a]); return apply(g, a, y, y); }
static Id logarithm(Graph *g, Id a) { return apply(g, a, math->log(g->value[a]), 1.0 / g->value[a]); }
static Id relu(Graph *g, Id a) { return g->value[a] > 0.0 ? apply(g, a, g->value[a], 1.0) : apply(g, a, 0.0, 0.0); }
/* Nobody asks for the gradient of the plain number c, so it needs no node. */
static Id add_number(Graph *g, Id a, double c) { return apply(g, a, g->value[a] + c, 1.0); }
static Id multiply_number(Graph *g, Id a, double c) { return apply(g, a, g->value[a] * c, c); }
static Id negative(Graph *g, Id a) { return multiply_number(g, a, -1.0); }
/* A whole sum as one node, and a whole dot product: "Taking nodes together". */
#define SUM(count, term) ({ double total = 0.0; for (int32_t i = 0; i < count; i++) total += term; total; })
static Id sum(Graph *g, Vector x) {
    return append(g, SUM(x.count, g->value[x.first + i]), x.count, x.first, NOBODY, false, 1.0);
}
static Id dot(Graph *g, Vector x, Id y) {
    return append(g, SUM(x.count, g->value[x.first + i] * g->value[y + i]), x.count, x.first, y, true, 0.0);
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
/* The derivative of the root by every node, once for every root. First comes the depth-first post-order, without
 * recursion and but for leaves: `back` then leads from the root through all of it. */
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
            node->back = last, last = id, id = parent;
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
        } else {
            for (int32_t i = 0; i < node.terms; i++) g->gradient[node.a + i] += local;
            if (node.b != NOBODY) g->gradient[node.b] += local;
        }
    }
}
