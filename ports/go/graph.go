package main

// The autograd of SPEC, section 5. One kind of node does for all. Its children are pairs x0, y0, x1, y1, ...: it passes
// its gradient to each x times the number y, and to each y times the number x. So a product has one pair, and a dot
// product many. Any other local gradient is a leaf of its own beside the child.

import "slices"

type value int32 // a number of the graph
type vector []value

type graph struct {
	math            *functions
	data, gradients []float64
	children        vector
	ends            []int  // among the children of all: those of v are from ends[v] to ends[v+1]
	seen            []bool // by backward; a leaf always is, since nothing lies below it
	path, order     vector
}

// one is the first number of each graph.
const one value = 0

func newGraph(math *functions) graph {
	g := graph{math: math, ends: []int{0}}
	g.leaf(1)
	return g
}

// reset forgets all values but the first n.
func (g *graph) reset(n int) {
	g.data, g.seen, g.ends, g.children = g.data[:n], g.seen[:n], g.ends[:n+1], g.children[:g.ends[n]]
}

func (g *graph) below(v value) vector { return g.children[g.ends[v]:g.ends[v+1]] }

// node has these children, after those that have been appended for it.
func (g *graph) node(data float64, children ...value) value {
	v := len(g.data)
	g.data = append(g.data, data)
	g.children = append(g.children, children...)
	g.seen = append(g.seen, g.ends[v] == len(g.children))
	g.ends = append(g.ends, len(g.children))
	return value(v)
}

func (g *graph) leaf(x float64) value               { return g.node(x) }
func (g *graph) add(a, b value) value               { return g.node(g.data[a]+g.data[b], a, one, b, one) }
func (g *graph) mul(a, b value) value               { return g.node(float64(g.data[a]*g.data[b]), a, b) }
func (g *graph) log(a value) value                  { return g.node(g.math.log(g.data[a]), a, g.leaf(1/g.data[a])) }
func (g *graph) addNumber(a value, c float64) value { return g.add(a, g.leaf(c)) }
func (g *graph) mulNumber(a value, c float64) value { return g.mul(a, g.leaf(c)) }
func (g *graph) neg(a value) value                  { return g.mulNumber(a, -1) }

func (g *graph) pow(a value, c float64) value {
	x := g.data[a]
	return g.node(g.math.pow(x, c), a, g.leaf(c*g.math.pow(x, c-1)))
}

func (g *graph) exp(a value) value {
	y := g.math.exp(g.data[a])
	return g.node(y, a, g.leaf(y))
}

func (g *graph) relu(a value) value {
	if x := g.data[a]; x > 0 {
		return g.node(x, a, one)
	}
	return g.node(0, a, g.leaf(0))
}

func (g *graph) sum(x ...value) value {
	total := g.addNumber(x[0], 0)
	for _, a := range x[1:] {
		total = g.add(total, a)
	}
	return total
}

func (g *graph) dot(x, y vector) value {
	sum := 0.0
	for i, a := range x {
		sum += float64(g.data[a] * g.data[y[i]])
		g.children = append(g.children, a, y[i])
	}
	return g.node(sum)
}

// backward sets each gradient to how the root changes with that value. On the path, ^v is a node whose children stand
// before it in the order already.
func (g *graph) backward(root value) {
	path, order, seen := append(g.path[:0], root), g.order[:0], g.seen
	for len(path) > 0 {
		v := path[len(path)-1]
		path = path[:len(path)-1]
		switch {
		case v < 0:
			order = append(order, ^v)
		case !seen[v]:
			seen[v] = true
			path = append(path, ^v)
			for _, child := range slices.Backward(g.below(v)) {
				if !seen[child] {
					path = append(path, child)
				}
			}
		}
	}
	g.path, g.order = path, order

	g.gradients = slices.Grow(g.gradients[:0], len(g.data))[:len(g.data)]
	data, gradients := g.data, g.gradients
	clear(gradients)
	gradients[root] = 1
	for _, v := range slices.Backward(order) {
		children, gradient := g.below(v), gradients[v]
		for i := 0; i < len(children); i += 2 {
			x, y := children[i], children[i+1]
			gradients[x] += float64(data[y] * gradient)
			gradients[y] += float64(data[x] * gradient)
		}
	}
}
