# The autograd (SPEC, section 5): a node is a number, its place in these arrays. A vector is the number of its first
# node; the others follow. The children of a node are first + j and second + j, in turn, for j from 0 to width - 1.

BEGIN { UNARY = 1; ADDITION = 2; PRODUCTS = 3 }

function node(x, how, a, b, n) {
	value[++size] = x
	gradient[size] = 0
	kind[size] = how
	first[size] = a
	second[size] = b
	width[size] = n
	seen[size] = 0
	return size
}

function leaf(x) {
	node(x)
	seen[size] = 1  # the walk has nothing to look for below
	return size
}

function unary(a, x, local) {
	node(x, UNARY, a, a, 1)
	slope[size] = local
	return size
}

function add(a, b) { return node(value[a] + value[b], ADDITION, a, b, 1) }
function mul(a, b) { return node(value[a] * value[b], PRODUCTS, a, b, 1) }
function shift(a, c) { return unary(a, value[a] + c, 1) }
function scale(a, c) { return unary(a, value[a] * c, c) }
function log_of(a) { return unary(a, exact_log(value[a]), over(1, value[a])) }
function pow_of(a, c) { return unary(a, exact_pow(value[a], c), c * exact_pow(value[a], c - 1)) }
function relu(a) { return value[a] > 0 ? unary(a, value[a], 1) : unary(a, 0, 0) }

function exp_of(a,    x) {
	x = exact_exp(value[a])
	return unary(a, x, x)
}

# A dot product as one node: no x occurs twice among n (save as its own factor), and none lies below another.
function dot(w, x, n,    j, total) {
	for (j = 0; j < n; j++) total += value[w + j] * value[x + j]
	return node(total, PRODUCTS, w, x, n)
}

# Depth-first post-order from the root; returns how many nodes it has. Leaves have no children, and are left out.
function walk(root, order,    stack, next_pair, depth, count, i, j, n, a, b, child) {
	stack[depth = 1] = root
	while (depth > 0) {
		i = stack[depth]
		a = first[i]
		b = second[i]
		n = width[i]
		for (j = next_pair[depth]; j < n; j++) {
			if (!seen[child = a + j]) break
			if (!seen[child = b + j]) break
		}
		if (j < n) {
			next_pair[depth] = j
			seen[child] = 1
			stack[++depth] = child
			next_pair[depth] = 0
		} else {
			order[++count] = i
			depth--
		}
	}
	return count
}

function backward(root,    order, count, i, j, n, a, b, g) {
	gradient[root] = 1
	for (count = walk(root, order); count > 0; count--) {
		i = order[count]
		g = gradient[i]
		a = first[i]
		if (kind[i] == PRODUCTS) {
			b = second[i]
			for (n = width[i]; n > 0; n--) {
				gradient[a] += value[b] * g
				gradient[b] += value[a] * g
				a++
				b++
			}
		} else if (kind[i] == UNARY) {
			gradient[a] += slope[i] * g
		} else if (kind[i] == ADDITION) {
			gradient[a] += g
			gradient[second[i]] += g
		}
	}
}
