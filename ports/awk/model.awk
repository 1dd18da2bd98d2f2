# The random numbers, the model, its training and whole runs (SPEC, sections 3 to 10).

# ---------------------------------------------------------------- random numbers: mt[0..623], mt_index, kept

function times_32(a, b) { return (a * int(b / 65536) % 4294967296 * 65536 + a * (b % 65536)) % 4294967296 }

function seed_generator(seed,    i, k) {
	mt[0] = 19650218
	for (i = 1; i < 624; i++) mt[i] = (times_32(1812433253, xor(mt[i - 1], rshift(mt[i - 1], 30))) + i) % 4294967296
	i = 1
	for (k = 0; k < 1247; k++) {
		if (k < 624) mt[i] = stirred(i, 1664525) + seed
		else mt[i] = stirred(i, 1566083941) + 4294967296 - i
		mt[i] %= 4294967296
		if (++i == 624) {
			mt[0] = mt[623]
			i = 1
		}
	}
	mt[0] = 2147483648
	mt_index = 624
	kept = "none"
}

function stirred(i, factor) { return xor(mt[i], times_32(xor(mt[i - 1], rshift(mt[i - 1], 30)), factor)) }

function random_word(    i, y) {
	if (mt_index == 624) {
		for (i = 0; i < 624; i++) {
			y = int(mt[i] / 2147483648) * 2147483648 + mt[(i + 1) % 624] % 2147483648
			mt[i] = xor(mt[(i + 397) % 624], rshift(y, 1), y % 2 ? 2567483615 : 0)
		}
		mt_index = 0
	}
	y = mt[mt_index++]
	y = xor(y, rshift(y, 11))
	y = xor(y, and(lshift(y, 7), 2636928640))
	y = xor(y, and(lshift(y, 15), 4022730752))
	return xor(y, rshift(y, 18))
}

function random(    a) {
	a = rshift(random_word(), 5)
	return (a * 67108864 + rshift(random_word(), 6)) / 9007199254740992
}

function gauss(sigma,    x, r, z) {
	if (kept == "none") {
		x = random() * 6.283185307179586
		r = sqrt(-2 * exact_log(1 - random()))
		kept = exact_sin(x) * r
		return 0 + exact_cos(x) * r * sigma
	}
	z = kept
	kept = "none"
	return 0 + z * sigma
}

function below(n,    bits, draw) {
	bits = 0
	while (POWER[bits] <= n) bits++
	do draw = rshift(random_word(), 32 - bits)
	while (draw >= n)
	return draw
}

# Shuffles items[0..n-1].
function shuffle(items, n,    i, j, item) {
	for (i = n - 1; i > 0; i--) {
		j = below(i + 1)
		item = items[i]
		items[i] = items[j]
		items[j] = item
	}
}

# An index into the weights[0..n-1].
function choice(weights, n,    i, cumulative, total, u, low, high, middle) {
	cumulative[0] = weights[0]
	for (i = 1; i < n; i++) cumulative[i] = cumulative[i - 1] + weights[i]
	total = cumulative[n - 1] + 0
	if (!(total > 0 && total < INF)) return refuse("the weights must add up to a finite number above 0")
	u = random() * total
	high = n - 1
	while (low < high) {
		middle = int((low + high) / 2)
		if (u < cumulative[middle]) high = middle
		else low = middle + 1
	}
	return low + 0
}

# ---------------------------------------------------------------- the model

# The matrices in their order: matrix_name, matrix_rows, matrix_columns and the first node, matrix[name].
function lay_out(    i, e) {
	matrices = 0
	parameters = 0
	e = embedding
	add_matrix("wte", vocabulary, e)
	add_matrix("wpe", block, e)
	add_matrix("lm_head", vocabulary, e)
	for (i = 0; i < layers; i++) {
		add_matrix("layer" i ".attn_wq", e, e)
		add_matrix("layer" i ".attn_wk", e, e)
		add_matrix("layer" i ".attn_wv", e, e)
		add_matrix("layer" i ".attn_wo", e, e)
		add_matrix("layer" i ".mlp_fc1", 4 * e, e)
		add_matrix("layer" i ".mlp_fc2", e, 4 * e)
	}
	size = 0
}

function add_matrix(name, rows, columns) {
	matrix_name[++matrices] = name
	matrix_rows[matrices] = rows
	matrix_columns[matrices] = columns
	matrix[name] = parameters + 1
	parameters += rows * columns
}

# Forgets all nodes but the parameters.
function forget(    i) {
	size = parameters
	for (i = 1; i <= parameters; i++) gradient[i] = 0
}

function linear(x, w, rows, columns,    r) {
	for (r = 0; r < rows; r++) dot(w + r * columns, x, columns)
	return size - rows + 1
}

function add_vectors(a, b, n,    i) {
	for (i = 0; i < n; i++) add(a + i, b + i)
	return size - n + 1
}

function scale_vector(a, n, c,    i) {
	for (i = 0; i < n; i++) scale(a + i, c)
	return size - n + 1
}

function rmsnorm(x, n,    i, factor) {
	factor = pow_of(shift(scale(dot(x, x, n), 1 / n), 0.00001), -0.5)
	for (i = 0; i < n; i++) mul(x + i, factor)
	return size - n + 1
}

function softmax(x, n,    i, top, exps, total, inverse, local) {
	top = value[x]
	for (i = 1; i < n; i++) if (value[x + i] > top) top = value[x + i]
	for (i = 0; i < n; i++) shift(x + i, -1 * top)
	x = size - n + 1
	for (i = 0; i < n; i++) exp_of(x + i)
	exps = size - n + 1
	total = shift(exps, 0)
	for (i = 1; i < n; i++) total = add(total, exps + i)
	inverse = over(1, value[total])
	local = -1 * exact_pow(value[total], -2)
	for (i = 0; i < n; i++) unary(total, inverse, local)  # a node for each division
	for (i = 0; i < n; i++) mul(exps + i, total + 1 + i)
	return size - n + 1
}

function activations(x, n,    i) {
	for (i = 0; i < n; i++) relu(x + i)
	if (activation == "squared_relu") for (i = 0; i < n; i++) pow_of(size - n + 1, 2)
	return size - n + 1
}

# The attention of q in a layer to the positions attend[t, 0..attends[t]-1];
# cached_keys and cached_values hold their vectors.
function attention(t, layer, q,    d, n, h, k, i, mixed, scores, weights) {
	d = embedding / heads
	n = attends[t]
	for (h = 0; h < heads; h++) {
		for (k = 0; k < n; k++) dot(q + h * d, cached_keys[layer, attend[t, k]] + h * d, d)
		scores[h] = scale_vector(size - n + 1, n, 1 / sqrt(d))
		weights[h] = softmax(scores[h], n)
	}
	for (k = 0; k < n; k++) {
		for (i = 0; i < embedding; i++) mul(weights[int(i / d)] + k, cached_values[layer, attend[t, k]] + i)
		if (k == 0) for (i = 0; i < embedding; i++) shift(size - embedding + 1, 0)
		else add_vectors(mixed, size - embedding + 1, embedding)
		mixed = size - embedding + 1
	}
	for (h = 0; h < heads; h++) {
		note("layer" layer ".head" h ".scores", scores[h], n)
		note("layer" layer ".head" h ".weights", weights[h], n)
		note("layer" layer ".head" h ".mixed", mixed + h * d, d)
	}
	return mixed
}

# The logits of a token at position t.
function logits(t, token,    e, x, i, layer, normed, q) {
	e = embedding
	noted_position = "pos" t "."
	x = note("embedded", add_vectors(matrix["wte"] + token * e, matrix["wpe"] + t * e, e), e)
	x = note("normed", rmsnorm(x, e), e)
	for (i = 0; i < layers; i++) {
		layer = "layer" i "."
		normed = note(layer "attn_norm", rmsnorm(x, e), e)
		q = note(layer "q", linear(normed, matrix[layer "attn_wq"], e, e), e)
		cached_keys[i, t] = note(layer "k", linear(normed, matrix[layer "attn_wk"], e, e), e)
		cached_values[i, t] = note(layer "v", linear(normed, matrix[layer "attn_wv"], e, e), e)
		normed = attention(t, i, q)
		normed = note(layer "attn_out", linear(normed, matrix[layer "attn_wo"], e, e), e)
		x = note(layer "attn_residual", add_vectors(normed, x, e), e)
		normed = note(layer "mlp_norm", rmsnorm(x, e), e)
		normed = note(layer "hidden", linear(normed, matrix[layer "mlp_fc1"], 4 * e, e), 4 * e)
		normed = note(layer "activated", activations(normed, 4 * e), 4 * e)
		normed = note(layer "mlp_out", linear(normed, matrix[layer "mlp_fc2"], e, 4 * e), e)
		x = note(layer "mlp_residual", add_vectors(normed, x, e), e)
	}
	return note("logits", linear(x, matrix["lm_head"], vocabulary, e), vocabulary)
}

# The node of the loss of a document, a string of tokens.
function document_loss(document,    token, n, t, probabilities, loss, total) {
	n = split(document, token) - 1
	if (n > block) n = block
	forget()
	for (t = 0; t < n; t++) {
		probabilities = note("probabilities", softmax(logits(t, token[t + 1]), vocabulary), vocabulary)
		loss = note("loss", scale(log_of(probabilities + token[t + 2]), -1), 1)
		total = t == 0 ? shift(loss, 0) : add(total, loss)
	}
	return scale(total, 1 / n)
}

# Draws one sample; returns its tokens as a string. `watched` tells each draw to the reply.
function sample(temperature, watched,    bos, t, x, i, p, token, tokens) {
	bos = token = vocabulary - 1
	for (t = 0; t < block && !fault; t++) {
		if (t == 0) forget()
		x = softmax(scale_vector(logits(t, token), vocabulary, over(1, temperature)), vocabulary)
		for (i = 0; i < vocabulary; i++) p[i] = value[x + i]
		token = choice(p, vocabulary)
		if (watched) {
			put_doubles("probabilities", value, x, vocabulary)
			put("token " token)
		}
		if (token == bos) break
		tokens = tokens " " token
	}
	return tokens
}

# ---------------------------------------------------------------- Adam: adam_m[i] and adam_v[i] belong to value[i]

function set_factors(step,    s, n) {
	s = step / steps
	n = 3.141592653589793 * step / steps
	if (schedule == "linear") rate = learning_rate * (1 - s)
	else rate = learning_rate * 0.5 * (1 + exact_cos(n))
	correction1 = 1 - exact_pow(beta1, step + 1)
	correction2 = 1 - exact_pow(beta2, step + 1)
}

# Updates value[1..n]; set_factors comes first.
function update(n,    i, g, root, rest1, rest2) {
	rest1 = 1 - beta1
	rest2 = 1 - beta2
	for (i = 1; i <= n; i++) {
		g = gradient[i]
		adam_m[i] = beta1 * adam_m[i] + rest1 * g
		adam_v[i] = beta2 * adam_v[i] + rest2 * (g * g)
		root = over(adam_v[i], correction2)
		root = root > 0 ? sqrt(root) : exact_pow(root, 0.5)
		value[i] -= over(rate * over(adam_m[i], correction1), root + epsilon)
	}
}

# One step on a document; returns its loss.
function train(step, document,    loss) {
	loss = document_loss(document)
	backward(loss)
	set_factors(step)
	loss = value[loss]
	update(parameters)
	return loss
}

# ---------------------------------------------------------------- documents and runs

# Strips the lines, strings of code points; documents[0..] are those that are not empty. Returns how many there are.
function strip_lines(line_count, line_text, documents,    i, n, text) {
	for (i = 1; i <= line_count; i++) {
		text = line_text[i]
		sub(/^(9|1[0-3]|32)( (9|1[0-3]|32))*( |$)/, "", text)
		sub(/( |^)((9|1[0-3]|32) )*(9|1[0-3]|32)$/, "", text)
		if (text != "") documents[n++] = text
	}
	if (n == 0) refuse("the dataset has no documents")
	return n + 0
}

# points[1..] are the distinct code points in order, and token_of their tokens. Returns how many there are.
function find_tokens(documents, n, points, token_of,    i, k, word, words, known) {
	for (i = 0; i < n; i++) {
		words = split(documents[i], word)
		for (k = 1; k <= words; k++) known[word[k] + 0]
	}
	n = asorti(known, points, "@ind_num_asc")
	if (n > 2047) refuse("the dataset has more than 2047 distinct characters")
	for (i = 1; i <= n; i++) token_of[points[i]] = i - 1
	return n
}

function encode(document, token_of, bos,    word, words, k, tokens) {
	words = split(document, word)
	for (k = 1; k <= words; k++) tokens = tokens " " token_of[word[k]]
	return bos tokens " " bos
}

function set_preset(name,    classic) {
	classic = name == "classic"
	layers = 1
	heads = 4
	embedding = 16
	block = classic ? 16 : 8
	activation = classic ? "relu" : "squared_relu"
	initial_sigma = classic ? 0.08 : 0.02
	output_sigma = classic ? 0.08 : 0
	learning_rate = 0.01
	beta1 = classic ? 0.85 : 0.9
	beta2 = classic ? 0.99 : 0.95
	epsilon = 1e-8
	schedule = classic ? "linear" : "cosine"
	steps = classic ? 1000 : 500
}

# Trains the preset that is set on lines of code points, and prints `samples` samples.
function run(line_count, line_text, samples,    documents, n, points, token_of, t, k, i, sigma, drawn, tokens, text) {
	n = strip_lines(line_count, line_text, documents)
	seed_generator(42)
	shuffle(documents, n)
	vocabulary = find_tokens(documents, n, points, token_of) + 1
	if (fault) return
	for (t = 0; t < block; t++) {
		attends[t] = t + 1
		for (k = 0; k <= t; k++) attend[t, k] = k
	}
	lay_out()
	for (i = 1; i <= matrices; i++) {
		sigma = matrix_name[i] ~ /attn_wo|mlp_fc2/ ? output_sigma : initial_sigma
		for (k = matrix_rows[i] * matrix_columns[i]; k > 0; k--) leaf(gauss(sigma))
	}
	clear_moments(parameters)
	say("num docs: " n)
	say("vocab size: " vocabulary)
	say("num params: " parameters)
	for (i = 0; i < steps; i++)
		say(sprintf("step %4d / %4d | loss %s", i + 1, steps,
			decimals(train(i, encode(documents[i % n], token_of, vocabulary - 1)))))
	say("")
	say("--- inference (new, hallucinated names) ---")
	for (i = 1; i <= samples && !fault; i++) {
		text = points_of(sprintf("sample %2d: ", i))
		drawn = split(sample(0.5), tokens)
		for (k = 1; k <= drawn; k++) text = text " " points[tokens[k] + 1]
		print_points(text)
	}
}

function clear_moments(n,    i) { for (i = 1; i <= n; i++) adam_m[i] = adam_v[i] = 0 }

function decimals(x) {
	if (x != x) return "nan"
	if (x == INF || x == -INF) return x > 0 ? "inf" : "-inf"
	return sprintf("%.4f", x)
}
