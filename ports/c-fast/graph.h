/* Automatic differentiation (SPEC, section 5): numbers that know how they were made.
 *
 * A node has terms, each with a child a, or two, a and b. There are two kinds: in a sum of products, such as a dot product
 * or a single product, the derivative by a[i] is b[i] and by b[i] is a[i]; in any other node it is `local`, by every child.
 */
#pragma once
#include "exact.h"

typedef int32_t Id; /* nodes are numbered as they are made */

enum { NOBODY = -1 };

typedef struct {
    int32_t terms;      /* 0 for a leaf */
    Id a, b;            /* the first children, b or NOBODY; those of the other terms follow them, */
    int32_t visit;      /* for the walk: the first term whose children may not have been visited, */
    Id back;            /* where it came from, and later which node it finished before */
    bool is_product;
    double local;
    const Id *start;    /* and if there are rows, b[i] is start[row[i]] + b */
    const int32_t *row;
} Node;

typedef struct {
    Id count, capacity, parameters;      /* the parameters are the first nodes, and leaves */
    Id visited_vector;                   /* the last one of which the walk has seen all, */
    int32_t visited_terms;               /* and so many terms of it */
    double *value, *gradient;
    Node *node;
    bool *visited;
} Graph;

static inline Id append(Graph *g, double value, int32_t terms, Id a, Id b, bool is_product, double local) {
    if (g->count == g->capacity) {
        g->value = grown(g->value, (size_t)g->count, sizeof *g->value);
        g->gradient = grown(g->gradient, (size_t)g->count, sizeof *g->gradient);
        g->node = grown(g->node, (size_t)g->count, sizeof *g->node);
        g->visited = grown(g->visited, (size_t)g->count, sizeof *g->visited);
        g->capacity = g->count > 0 ? 2 * g->count : 1;
    }
    Node *node = &g->node[g->count];
    node->terms = terms, node->a = a, node->b = b, node->visit = 0;
    node->is_product = is_product, node->local = local, node->row = NULL;
    g->value[g->count] = value;
    g->visited[g->count] = terms == 0; /* there is nothing below a leaf, and nothing that it passes on */
    return g->count++;
}

static Id leaf(Graph *g, double value) { return append(g, value, 0, 0, NOBODY, false, 0.0); }
static Id add(Graph *g, Id a, Id b) { return append(g, g->value[a] + g->value[b], 1, a, b, false, 1.0); }
static Id multiply(Graph *g, Id a, Id b) { return append(g, g->value[a] * g->value[b], 1, a, b, true, 0.0); }

/* f(a), given its value and its derivative. */
static Id apply(Graph *g, Id a, double y, double slope) { return append(g, y, 1, a, NOBODY, false, slope); }

static Id power(Graph *g, Id a, double c) {
    return apply(g, a, math->pow(g->value[a], c), c * math->pow(g->value[a], c - 1.0));
}

static Id exponential(Graph *g, Id a) {
    double y = math->exp(g->value[a]);
    return apply(g, a, y, y);
}

static Id logarithm(Graph *g, Id a) { return apply(g, a, math->log(g->value[a]), 1.0 / g->value[a]); }
static Id relu(Graph *g, Id a) { return g->value[a] > 0.0 ? apply(g, a, g->value[a], 1.0) : apply(g, a, 0.0, 0.0); }

/* A whole sum as one node, and a whole dot product: "Taking nodes together". */
static Id sum(Graph *g, Id a, int32_t terms) {
    double total = 0.0;
    for (int32_t i = 0; i < terms; i++) total += g->value[a + i];
    return append(g, total, terms, a, NOBODY, false, 1.0);
}

static Id dot(Graph *g, Id a, Id b, int32_t terms) {
    double total = 0.0;
    for (int32_t i = 0; i < terms; i++) total += g->value[a + i] * g->value[b + i];
    return append(g, total, terms, a, b, true, 0.0);
}

/* A dot product with numbers that do not stand side by side. */
static Id dot_rows(Graph *g, Id a, Id b, int32_t terms, const Id *start, const int32_t *row) {
    double total = 0.0;
    for (int32_t i = 0; i < terms; i++) total += g->value[a + i] * g->value[start[row[i]] + b];
    Id id = append(g, total, terms, a, b, true, 0.0);
    g->node[id].start = start, g->node[id].row = row;
    return id;
}

static inline Id second(const Node *node, int32_t i) { return node->b + (node->row ? node->start[node->row[i]] : i); }

/* The first of first[from..terms-1] that has not been visited, or terms. */
static inline int32_t unvisited(Graph *g, Id first, int32_t from, int32_t terms) {
    if (first < g->parameters || (first == g->visited_vector && terms <= g->visited_terms)) return terms;
    while (from < terms && g->visited[first + from]) from++;
    if (from == terms && terms > 1) g->visited_vector = first, g->visited_terms = terms;
    return from;
}

/* The child to be visited next, of a[0], b[0], a[1], ..., or NOBODY. */
static inline Id next_child(Graph *g, Node *node) {
    int32_t a = unvisited(g, node->a, node->visit, node->terms), b = node->terms;
    if (node->row != NULL)
        for (b = node->visit; b < node->terms && g->visited[second(node, b)];) b++;
    else if (node->b != NOBODY)
        b = unvisited(g, node->b, node->visit, node->terms);
    node->visit = a < b ? a : b;
    return node->visit == node->terms ? NOBODY : a <= b ? node->a + a : second(node, b);
}

/* What a node of gradient g adds to its children's gradients. */
static inline void pass_on(const Node *node, const double *value, double *gradient, double g) {
    if (node->is_product && node->terms > 1 && node->row == NULL && node->a != node->b) {
        const double *x = value + node->a, *y = value + node->b; /* all these are different numbers */
        double *restrict x_gradient = gradient + node->a, *restrict y_gradient = gradient + node->b;
        for (int32_t i = 0; i < node->terms; i++) x_gradient[i] += y[i] * g, y_gradient[i] += x[i] * g;
        return;
    }
    for (int32_t i = 0; i < node->terms; i++) {
        Id a = node->a + i, b = second(node, i);
        gradient[a] += (node->is_product ? value[b] : node->local) * g;
        if (node->b != NOBODY) gradient[b] += (node->is_product ? value[a] : node->local) * g;
    }
}

/* The derivative of the root by every node, once for every root.
 *
 * First the depth-first post-order, without recursion and but for leaves: `back` then leads from the root through all of it.
 */
static void backward(Graph *g, Id root) {
    Id last = NOBODY;
    g->visited_vector = g->node[root].back = NOBODY;
    for (Id id = root; id != NOBODY;) {
        Id child = next_child(g, &g->node[id]);
        if (child != NOBODY) {
            g->visited[child] = true;
            g->node[child].back = id;
            id = child;
        } else {
            Id parent = g->node[id].back;
            g->node[id].back = last;
            last = id;
            id = parent;
        }
    }
    memset(g->gradient, 0, (size_t)g->count * sizeof *g->gradient);
    g->gradient[root] = 1.0;
    for (Id id = root; id != NOBODY; id = g->node[id].back) pass_on(&g->node[id], g->value, g->gradient, g->gradient[id]);
}
