package main

// The autograd of SPEC, section 5, in arrays that reset cuts back: a step of training allocates nothing.
//
// One kind of node does for all. It passes its gradient to each x times the number y beside it, and to each y times
// the number x: a product is the node of {a} and {b}, and a dot product that of two vectors. Any other local gradient
// is a leaf of its own beside the child.

import "slices"

type value int32 // a number of the graph
type vector []value
type node struct{ x, y vector } // with the children x0, y0, x1, y1, ...

type graph struct {
	math            *functions
	nodes           []node
	data, gradients []float64
	seen            []bool // by backward; a leaf always is, since nothing lies below it
	elements        vector // of all vectors
	path, order     []value
}

// one is the first number of each graph.
const one value = 0

func newGraph(math *functions) graph {
	g := graph{math: math}
	g.leaf(1)
	return g
}

// reset forgets all values but the first n.
func (g *graph) reset(n int) {
	g.nodes, g.data, g.seen, g.elements = g.nodes[:n], g.data[:n], g.seen[:n], g.elements[:0]
}

func (g *graph) node(x, y vector, data float64) value {
	g.nodes = append(g.nodes, node{x, y})
	g.data = append(g.data, data)
	g.seen = append(g.seen, x == nil)
	return value(len(g.nodes) - 1)
}

// list is a vector that keeps its array when others outgrow it.
func (g *graph) list(values ...value) vector {
	g.elements = append(g.elements, values...)
	return g.elements[len(g.elements)-len(values):]
}

func (g *graph) vector(n int, element func(i int) value) vector {
	g.elements = slices.Grow(g.elements, n)[:len(g.elements)+n]
	v := g.elements[len(g.elements)-n:]
	for i := range v {
		v[i] = element(i)
	}
	return v
}

func (g *graph) leaf(x float64) value { return g.node(nil, nil, x) }
func (g *graph) mul(a, b value) value { return g.pair(a, b, float64(g.data[a]*g.data[b])) }

func (g *graph) pair(a, b value, data float64) value {
	v := g.list(a, b)
	return g.node(v[:1], v[1:], data)
}

func (g *graph) add(a, b value) value {
	v := g.list(a, b, one, one)
	return g.node(v[:2], v[2:], g.data[a]+g.data[b])
}

func (g *graph) pow(a value, c float64) value {
	x := g.data[a]
	return g.pair(a, g.leaf(c*g.math.pow(x, c-1)), g.math.pow(x, c))
}

func (g *graph) log(a value) value { return g.pair(a, g.leaf(1/g.data[a]), g.math.log(g.data[a])) }

func (g *graph) exp(a value) value {
	y := g.math.exp(g.data[a])
	return g.pair(a, g.leaf(y), y)
}

func (g *graph) relu(a value) value {
	if x := g.data[a]; x > 0 {
		return g.pair(a, one, x)
	}
	return g.pair(a, g.leaf(0), 0)
}

func (g *graph) dot(x, y vector) value {
	sum, data := 0.0, g.data
	for i, a := range x {
		sum += float64(data[a] * data[y[i]])
	}
	return g.node(x, y, sum)
}

func (g *graph) sum(x vector) value {
	total := g.addNumber(x[0], 0)
	for _, a := range x[1:] {
		total = g.add(total, a)
	}
	return total
}

func (g *graph) addNumber(a value, c float64) value { return g.add(a, g.leaf(c)) }
func (g *graph) mulNumber(a value, c float64) value { return g.mul(a, g.leaf(c)) }
func (g *graph) neg(a value) value                  { return g.mulNumber(a, -1) }

// backward sets each gradient to how the root changes with that value. On the path, ^v is a node whose children stand
// before it in the order already.
func (g *graph) backward(root value) {
	nodes, data, seen := g.nodes, g.data, g.seen
	path, order := append(g.path[:0], root), g.order[:0]
	for len(path) > 0 {
		v := path[len(path)-1]
		path = path[:len(path)-1]
		switch {
		case v < 0:
			order = append(order, ^v)
		case !seen[v]:
			seen[v] = true
			path = append(path, ^v)
			x, y := nodes[v].x, nodes[v].y
			for i := len(x) - 1; i >= 0; i-- {
				if !seen[y[i]] {
					path = append(path, y[i])
				}
				if !seen[x[i]] {
					path = append(path, x[i])
				}
			}
		}
	}
	g.path, g.order = path, order

	g.gradients = slices.Grow(g.gradients[:0], len(data))[:len(data)]
	gradients := g.gradients
	clear(gradients)
	gradients[root] = 1
	for _, v := range slices.Backward(order) {
		x, y, gradient := nodes[v].x, nodes[v].y, gradients[v]
		for i, a := range x {
			b := y[i]
			gradients[a] += float64(data[b] * gradient)
			gradients[b] += float64(data[a] * gradient)
		}
	}
}
