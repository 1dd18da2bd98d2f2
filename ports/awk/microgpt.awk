# The port awk of microgpt: a function for each verb, and the rules that read requests. The other files come first on
# the command line, since @include would look for them in the current directory.

BEGIN {
	VERBS = "hello arith math random tokens graph forward backward adam train sample run"
	split(VERBS, verbs)
	for (i in verbs) is_verb[verbs[i]]
	if (ARGC > 1) {
		command(ARGC - 1, ARGV[1], ARGC > 2 ? ARGV[2] : "seed")
		if (fault) print "microgpt: " fault > "/dev/stderr"
		exit fault != ""
	}
}

$0 == "end" {
	answer(1)
	next
}

{ line[++line_count] = $0 }

END { if (line_count > 0) answer(0) }

# `microgpt run [seed|classic] < names.txt`
function command(count, verb, preset,    text, n, lines) {
	if (count > 2 || verb != "run" || preset !~ /^(seed|classic)$/) return refuse("usage: microgpt [run [seed|classic]]")
	ARGC = 1  # what is left is standard input
	for_people = 1
	while ((getline text) > 0) lines[++n] = decode(text)
	set_preset(preset)
	if (!fault) run(n, lines, 20)
}

# The reply is known before it is written, since a request can be wrong at its last line.
function answer(complete,    header, handler, i) {
	reply_count = at = 0
	fault = ""
	noting = 0
	if (length(line[1]) > LONGEST || line[1] !~ /^[!-~]+ [A-Za-z0-9._-]{1,64}$/ || line_count == 0) {
		print "error - the first line must be a verb and an id"
	} else {
		split(line[++at], header, / /)
		if (!complete) refuse("the input ended before the line end")
		if (!(header[1] in is_verb)) refuse("unsupported")
		handler = "verb_" header[1]
		if (!fault) @handler()
		if (fault) print "error " header[2] " " fault
		else {
			print "ok " header[2]
			for (i = 1; i <= reply_count; i++) print reply[i]
		}
	}
	print "end"
	fflush()
	delete line
	delete reply
	line_count = 0
}

function verb_hello() {
	finish()
	put("name awk")
	put("protocol 1")
	put("verbs " VERBS)
	put("math exact")
}

function verb_arith(    key, x, i, result) {
	do {
		key = next_line()
		for (i = 1; i <= values; i++) x[i] = double(word[i + 1])
		result = 0
		switch (key " " values) {
		case "add 2": result = x[1] + x[2]; break
		case "sub 2": result = x[1] - x[2]; break
		case "mul 2": result = x[1] * x[2]; break
		case "div 2": result = over(x[1], x[2]); break
		case "sqrt 1": result = x[1] < 0 ? NAN : sqrt(x[1]); break
		case "muladd 3": result = x[1] * x[2] + x[3]; break
		case /^sum [1-9]/: for (i = 1; i <= values; i++) result += x[i]; break
		case /^dot [1-9]/:
			if (values % 2 == 1) refuse("dot takes pairs")
			for (i = 1; i < values; i += 2) result += x[i] * x[i + 1]
			break
		case "decimals 1":
			if (x[1] > -INF && x[1] < INF && x[1] * x[1] > POWER[106]) refuse("decimals takes |x| up to 2^53")
			put("decimals " points_of(decimals(x[1])))
			continue
		default: refuse("an unknown operation, or operands that it does not take")
		}
		put_double(key, result)
	} while (more())
}

# An exponent, which must be a whole or half number.
function exponent_of(text, limit,    y) {
	y = double(text)
	if (y >= -limit && y <= limit && y * 2 % 1 == 0) return y
	refuse("an exponent is an integer or half-integer up to " limit)
	return 0
}

function verb_math(    key, x) {
	take_math()
	do {
		key = next_line()
		x = double(word[2])
		switch (key " " values) {
		case "exp 1": x = exact_exp(x); break
		case "log 1": x = exact_log(x); break
		case /^(sin|cos) 1$/:
			if (x > 8 || x < -8) refuse(key " takes |x| up to 8")
			else x = key == "sin" ? exact_sin(x) : exact_cos(x)
			break
		case "pow 2": x = exact_pow(x, exponent_of(word[3], 4096)); break
		default: refuse("an unknown function, or arguments that it does not take")
		}
		put_double(key, x)
	} while (more())
}

function verb_random(    key, n, i, items, sigma, text) {
	take_math()
	seed_generator(take_integer("seed", 0, 4294967295))
	do {
		text = key = next_line()
		if (key == "state" && values == 0) {
			text = text " " mt_index
			for (i = 0; i < 624; i++) text = text " " mt[i]
			put(text)
			put("kept " (kept == "none" ? kept : hex(kept)))
			continue
		}
		n = integer(word[2], 0, key == "shuffle" ? 10000 : 1000)
		if (fault) return
		if (key == "words" && values == 1) for (i = 0; i < n; i++) text = text " " random_word()
		else if (key == "random" && values == 1) for (i = 0; i < n; i++) text = text " " hex(random())
		else if (key == "gauss" && values == 2) {
			sigma = double(word[3])
			for (i = 0; i < n; i++) text = text " " hex(gauss(sigma))
		} else if (key == "shuffle" && values == 1) {
			for (i = 0; i < n; i++) items[i] = i
			shuffle(items, n)
			for (i = 0; i < n; i++) text = text " " items[i]
		} else if (key == "choices" && values >= 2 && values <= 1001) {
			for (i = 2; i <= values; i++) items[i - 2] = double(word[i + 1])
			for (i = 0; i < n && !fault; i++) text = text " " choice(items, values - 1)
		} else refuse("an unknown draw, or values that it does not take")
		put(text)
	} while (more())
}

function verb_tokens(    n, lines, documents, points, token_of, count, i, text) {
	n = take_lines(lines)
	if (fault) return
	n = strip_lines(n, lines, documents)
	count = find_tokens(documents, n, points, token_of)
	if (fault) return
	put("documents " n)
	text = "vocabulary"
	for (i = 1; i <= count; i++) text = text " " points[i]
	put(text)
	put("bos " count)
	for (i = 0; i < n; i++) put("encoded " encode(documents[i], token_of, count))
}

function verb_graph(    key, n, nodes, i, a, b, c, root) {
	take_math()
	size = n = 0
	do {
		key = next_line()
		if (key == "root") break
		nodes[n] = expression(key " " values, nodes, n)
		n++
	} while (more())
	if (key != "root" || values != 1) refuse("expected the line root a")
	root = integer(word[2], 0, n - 1)
	finish()
	if (fault) return
	backward(nodes[root])
	for (i = 0; i < n; i++) put_double("value", value[nodes[i]])
	for (i = 0; i < n; i++) put_double("gradient", gradient[nodes[i]])
}

# The node of the expression in `word`; form is its key and number of values, nodes[0..n - 1] are the earlier ones.
function expression(form, nodes, n,    a, b, i) {
	if (form == "leaf 1") return leaf(double(word[2]))
	a = operand(form ~ /^number_/ ? word[3] : word[2], nodes, n)
	if (form ~ /^(add|sub|mul|div) 2$/) b = operand(word[3], nodes, n)
	if (fault) return 0
	switch (form) {
	case "add 2": return add(a, b)
	case "sub 2": return add(a, scale(b, -1))
	case "mul 2": return mul(a, b)
	case "div 2": return mul(a, pow_of(b, -1))
	case "neg 1": return scale(a, -1)
	case "exp 1": return exp_of(a)
	case "log 1": return log_of(a)
	case "relu 1": return relu(a)
	case "pow 2": return pow_of(a, exponent_of(word[3], 1024))
	case "add_number 2": return shift(a, double(word[3]))
	case "sub_number 2": return shift(a, double(word[3]) * -1)
	case "mul_number 2": return scale(a, double(word[3]))
	case "div_number 2": return scale(a, over(1, double(word[3])))
	case "number_sub 2": return shift(scale(a, -1), double(word[2]))
	case "number_div 2": return scale(pow_of(a, -1), double(word[2]))
	case /^sum [1-9]/:
		a = shift(a, 0)
		for (i = 3; i <= values + 1; i++) a = add(a, operand(word[i], nodes, n))
		return a
	}
	refuse("an unknown expression, or operands that it does not take")
}

function operand(text, nodes, n) { return nodes[integer(text, 0, n - 1)] }

function take_shape(    t, k) {
	take_math()
	layers = take_integer("layers", 1, 16)
	heads = take_integer("heads", 1, 64)
	embedding = take_integer("embedding", 1, 512)
	block = take_integer("block", 1, 1024)
	vocabulary = take_integer("vocabulary", 2, 2048)
	activation = take_choice("activation", "relu", "squared_relu")
	if (!fault && embedding % heads != 0) refuse("embedding must be a multiple of heads")
	for (t = 0; t < block && !fault; t++) {
		take("attend")
		attends[t] = values
		for (k = 0; k < values; k++) {
			attend[t, k] = integer(word[k + 2], 0, t)
			if (k > 0 && attend[t, k] <= attend[t, k - 1]) refuse("attend must increase")
		}
		if (values == 0 || attend[t, values - 1] != t) refuse("position " t " must attend to itself")
	}
}

# The tokens of a document, as a string.
function take_document(    i) {
	take("tokens")
	if (values < 2) refuse("a document has two or more tokens")
	for (i = 2; i <= values + 1; i++) integer(word[i], 0, vocabulary - 1)
	return substr(line[at], 8)
}

function verb_forward(    document) {
	take_shape()
	document = take_document()
	if (!fault) take_parameters()
	finish()
	if (fault) return
	noting = 1
	put_double("loss", value[document_loss(document)])
}

function verb_backward(    document, loss) {
	take_shape()
	document = take_document()
	if (!fault) take_parameters()
	finish()
	if (fault) return
	loss = document_loss(document)
	backward(loss)
	put_double("loss", value[loss])
	put_matrices("", gradient)
}

function take_settings() {
	learning_rate = take_double("learning_rate")
	beta1 = take_double("beta1")
	beta2 = take_double("beta2")
	epsilon = take_double("epsilon")
	schedule = take_choice("schedule", "linear", "cosine")
	steps = take_integer("steps", 1, 4096)
}

function verb_adam(    step, rows, columns) {
	take_math()
	take_settings()
	step = take_integer("step", 0, steps - 1)
	next_line()
	rows = integer(word[3], 1, 2048)
	columns = integer(word[4], 1, 2048)
	at--
	take_tensor("parameters", value, 1, rows, columns)
	take_tensor("gradients", gradient, 1, rows, columns)
	take_tensor("m", adam_m, 1, rows, columns)
	take_tensor("v", adam_v, 1, rows, columns)
	finish()
	if (fault) return
	set_factors(step)
	update(rows * columns)
	put_double("rate", rate)
	put_double("correction1", correction1)
	put_double("correction2", correction2)
	put_tensor("m", adam_m, 1, rows, columns)
	put_tensor("v", adam_v, 1, rows, columns)
	put_tensor("parameters", value, 1, rows, columns)
}

function verb_train(    from, last, is_full, i, before, n, documents, step, loss) {
	take_shape()
	take_settings()
	from = take_integer("from", 0, steps - 1)
	last = from + take_integer("count", 1, steps - from) - 1
	take("full")
	before = -1
	for (i = 2; i <= values + 1 && !fault; i++) {
		step = integer(word[i], from, last)
		if (step <= before) refuse("the steps of full must increase")
		is_full[before = step]
	}
	while (next_is("tokens")) documents[n++] = take_document()
	if (n == 0) refuse("expected a line tokens")
	if (!fault) take_parameters()
	if (from == 0) clear_moments(fault ? 0 : parameters)
	else {
		take_matrices("m.", adam_m)
		take_matrices("v.", adam_v)
	}
	finish()
	for (step = from; step <= last && !fault; step++) {
		loss = train(step, documents[step % n])
		put("step " step)
		put_double("loss", loss)
		put("gradients " checksum(gradient, parameters))
		put("m " checksum(adam_m, parameters))
		put("v " checksum(adam_v, parameters))
		put("parameters " checksum(value, parameters))
		if (step in is_full) {
			put_matrices("gradients.", gradient)
			put_matrices("m.", adam_m)
			put_matrices("v.", adam_v)
			put_matrices("parameters.", value)
		}
	}
}

function verb_sample(    temperature, samples, i) {
	take_shape()
	temperature = take_double("temperature")
	samples = take_integer("samples", 0, 1000)
	if (!fault) take_parameters()
	take("state", 625)
	if (fault) return
	mt_index = integer(word[2], 0, 624)
	for (i = 0; i < 624; i++) mt[i] = integer(word[i + 3], 0, 4294967295)
	take("kept", 1)
	kept = word[2] == "none" ? "none" : double(word[2])
	finish()
	for (i = 0; i < samples && !fault; i++) {
		put("sample " i)
		sample(temperature, 1)
	}
	put("word " random_word())
}

function verb_run(    samples, lines, n) {
	take_math()
	set_preset(take_choice("preset", "seed", "classic"))
	steps = take_integer("steps", 1, 4096)
	samples = take_integer("samples", 0, 1000)
	n = take_lines(lines)
	if (!fault) run(n, lines, samples)
	if (fault) return
	put("parameters " checksum(value, parameters))
	put("m " checksum(adam_m, parameters))
	put("v " checksum(adam_v, parameters))
	put("word " random_word())
}
