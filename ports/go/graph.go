package main

// The graph of single numbers, just as SPEC.md, section 5, defines it. The model does not use it: layers.go has whole
// vectors at a time and the same bits.

type node struct {
	value, gradient float64
	children        [2]nodeID // noNode where there is none
	locals          [2]float64
	visited         bool
}

type nodeID int

const noNode nodeID = -1

type graph struct {
	math  *functions
	nodes []node
}

func (g *graph) value(a nodeID) float64 { return g.nodes[a].value }

func (g *graph) binary(value float64, a, b nodeID, localA, localB float64) nodeID {
	g.nodes = append(g.nodes, node{value: value, children: [2]nodeID{a, b}, locals: [2]float64{localA, localB}})
	return nodeID(len(g.nodes) - 1)
}

func (g *graph) unary(value float64, a nodeID, local float64) nodeID {
	return g.binary(value, a, noNode, local, 0)
}

// ---------------------------------------------------------------- the seven kinds of nodes

func (g *graph) leaf(value float64) nodeID {
	return g.unary(value, noNode, 0)
}

func (g *graph) add(a, b nodeID) nodeID {
	return g.binary(g.value(a)+g.value(b), a, b, 1, 1)
}

func (g *graph) mul(a, b nodeID) nodeID {
	x, y := g.value(a), g.value(b)
	return g.binary(float64(x*y), a, b, y, x)
}

func (g *graph) pow(a nodeID, c float64) nodeID {
	x := g.value(a)
	return g.unary(g.math.pow(x, c), a, c*g.math.pow(x, c-1))
}

func (g *graph) log(a nodeID) nodeID {
	x := g.value(a)
	return g.unary(g.math.log(x), a, 1/x)
}

func (g *graph) exp(a nodeID) nodeID {
	y := g.math.exp(g.value(a))
	return g.unary(y, a, y)
}

func (g *graph) relu(a nodeID) nodeID {
	if x := g.value(a); x > 0 {
		return g.unary(x, a, 1)
	}
	return g.unary(0, a, 0)
}

// ---------------------------------------------------------------- what is made of them

func (g *graph) neg(a nodeID) nodeID                  { return g.mulNumber(a, -1) }
func (g *graph) sub(a, b nodeID) nodeID               { return g.add(a, g.neg(b)) }
func (g *graph) div(a, b nodeID) nodeID               { return g.mul(a, g.pow(b, -1)) }
func (g *graph) addNumber(a nodeID, c float64) nodeID { return g.add(a, g.leaf(c)) }
func (g *graph) subNumber(a nodeID, c float64) nodeID { return g.add(a, g.leaf(-c)) }
func (g *graph) mulNumber(a nodeID, c float64) nodeID { return g.mul(a, g.leaf(c)) }
func (g *graph) divNumber(a nodeID, c float64) nodeID { return g.mulNumber(a, g.math.pow(c, -1)) }
func (g *graph) numberSub(a nodeID, c float64) nodeID { return g.addNumber(g.neg(a), c) }
func (g *graph) numberDiv(a nodeID, c float64) nodeID { return g.mulNumber(g.pow(a, -1), c) }

// sum starts with the node x0 + 0.
func (g *graph) sum(terms []nodeID) nodeID {
	total := g.addNumber(terms[0], 0)
	for _, term := range terms[1:] {
		total = g.add(total, term)
	}
	return total
}

// ---------------------------------------------------------------- backward

// postOrder is the depth-first order from the root, children from left to right and each before its parents. The path
// takes the place of recursion.
func (g *graph) postOrder(root nodeID) []nodeID {
	type visit struct {
		node nodeID
		next int // of its children
	}
	var order []nodeID
	path := []visit{{root, 0}}
	g.nodes[root].visited = true
	for len(path) > 0 {
		here := &path[len(path)-1]
		children := g.nodes[here.node].children
		if here.next == len(children) || children[here.next] == noNode {
			order = append(order, here.node)
			path = path[:len(path)-1]
			continue
		}
		child := children[here.next]
		here.next++
		if !g.nodes[child].visited {
			g.nodes[child].visited = true
			path = append(path, visit{child, 0})
		}
	}
	return order
}

// backward may be called once.
func (g *graph) backward(root nodeID) {
	order := g.postOrder(root)
	g.nodes[root].gradient = 1
	for i := len(order) - 1; i >= 0; i-- {
		parent := &g.nodes[order[i]]
		for k, child := range parent.children {
			if child != noNode {
				g.nodes[child].gradient += float64(parent.locals[k] * parent.gradient)
			}
		}
	}
}
