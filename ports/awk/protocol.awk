# Requests and replies (SPEC, section 11). A request is line[1..line_count], read up to line[at]; `take` splits one into
# word[1..]. awk has no exceptions: the first fault is kept, and every reader goes on harmlessly until somebody looks.

BEGIN {
	LONGEST = 65536
	for (i = 0; i < 256; i++) {
		CHARACTER[i] = sprintf("%c", i)
		ORDINAL[CHARACTER[i]] = i
	}
}

function refuse(reason) { if (!fault) fault = reason }

function put(text) { reply[++reply_count] = text }

# Splits the next line; returns its key. word[2..values + 1] are the values.
function next_line() {
	if (at >= line_count) {
		refuse("the request ends too early")
		delete word
		values = 0
		return ""
	}
	if (length(line[++at]) > LONGEST) refuse("a line is too long")
	values = split(line[at], word, / /) - 1
	return word[1]
}

# The next line, which must have this key and, if given, this number of values.
function take(key, count,    found) {
	found = next_line()
	if (found != key) refuse("expected a line " key)
	else if (count != "" && values != count) refuse(key " takes " count " values, not " values)
}

function take_double(key) {
	take(key, 1)
	return double(word[2])
}

function take_integer(key, low, high) {
	take(key, 1)
	return integer(word[2], low, high)
}

function take_choice(key, one, other) {
	take(key, 1)
	if (word[2] != one && word[2] != other) refuse(key " is " one " or " other)
	return word[2]
}

function take_math() { if (take_choice("math", "exact", "native") == "native") refuse("unsupported") }

function more() { return at < line_count && !fault }
function next_is(key) { return more() && (line[at + 1] == key || index(line[at + 1], key " ") == 1) }
function finish() { if (at < line_count) refuse("expected the end") }

function integer(text, low, high) {
	if (text !~ /^(0|[1-9][0-9]{0,9})$/) refuse("expected an integer")
	else if (text + 0 < low || text + 0 > high) refuse("an integer is not in the range from " low " to " high)
	return text + 0
}

function double(text,    upper, lower, e, x) {
	if (text !~ /^[0-9a-f]{16}$/) {
		refuse("a double has 16 lower-case hex digits")
		return 0
	}
	upper = strtonum("0x" substr(text, 1, 8))
	lower = strtonum("0x" substr(text, 9))
	e = int(upper / 1048576) % 2048
	x = upper % 1048576 * 4294967296 + lower
	if (e == 2047) x = x == 0 ? INF : NAN
	else if (e == 0) x *= POWER[-1074]
	else x = (x + 4503599627370496) * POWER[e - 1075]
	return upper >= 2147483648 ? x * -1 : x
}

# printf's %a does most of it: -0x1.8p+1, 0x0.4p-1022, 0x0p+0.
function hex(x,    part, parts, e) {
	if (x != x) return "7ff8000000000000"
	if (x == INF) return "7ff0000000000000"
	if (x == -INF) return "fff0000000000000"
	if (x == 0) return is_negative(x) ? "8000000000000000" : "0000000000000000"
	parts = split(sprintf("%a", x), part, /[x.p]/)
	e = part[2] == "0" ? 0 : part[parts] + 1023
	if (x < 0) e += 2048
	return sprintf("%03x%s", e, substr((parts == 4 ? part[3] : "") "0000000000000", 1, 13))
}

function put_double(key, x) { put(key " " hex(x)) }

# A line of array[start..start + n - 1].
function put_doubles(key, array, start, n,    i) {
	for (i = 0; i < n; i++) key = key " " hex(array[start + i])
	put(key)
}

function put_tensor(name, array, start, rows, columns,    r) {
	put("tensor " name " " rows " " columns)
	for (r = 0; r < rows; r++) put_doubles("row", array, start + r * columns, columns)
}

function put_matrices(prefix, array,    i) {
	for (i = 1; i <= matrices; i++)
		put_tensor(prefix matrix_name[i], array, matrix[matrix_name[i]], matrix_rows[i], matrix_columns[i])
}

# Reads a tensor into array[start..].
function take_tensor(name, array, start, rows, columns,    r, c) {
	take("tensor", 3)
	if (word[2] != name || word[3] != rows "" || word[4] != columns "")
		refuse("expected the tensor " name " of " rows " rows and " columns " columns")
	for (r = 0; r < rows && !fault; r++) {
		take("row", columns)
		for (c = 0; c < columns; c++) array[start++] = double(word[c + 2])
	}
}

# The matrices of the model, each with a prefix to its name.
function take_matrices(prefix, array,    i) {
	for (i = 1; i <= matrices && !fault; i++)
		take_tensor(prefix matrix_name[i], array, matrix[matrix_name[i]], matrix_rows[i], matrix_columns[i])
}

function take_parameters(    i) {
	lay_out()
	take_matrices("", value)
	if (!fault) while (size < parameters) leaf(value[size + 1])
}

# The checksum of array[1..n] (SPEC, section 13).
function checksum(array, n,    i, bits, a, b) {
	a = 1
	for (i = 1; i <= n; i++) {
		bits = hex(array[i])
		a = (a + strtonum("0x" substr(bits, 1, 8))) % 4294967291
		b = (b + a) % 4294967291
		a = (a + strtonum("0x" substr(bits, 9))) % 4294967291
		b = (b + a) % 4294967291
	}
	return sprintf("%08x %08x", a, b)
}

# A vector as a tensor of one row, while `noting`. Returns x.
function note(name, x, n) {
	if (noting) put_tensor(noted_position name, value, x, 1, n)
	return x
}

# Words that are code points, as a string.
function take_points(key,    i, n, point, points) {
	take(key)
	if (values > 10000) refuse("a line has at most 10000 code points")
	for (i = 2; i <= values + 1 && !fault; i++) {
		point = integer(word[i], 0, 1114111)
		if (point >= 55296 && point <= 57343) refuse("a surrogate is not a code point")
		points = points (i > 2 ? " " : "") point
	}
	return points
}

function take_lines(line_text,    n) {
	while (next_is("line")) line_text[++n] = take_points("line")
	if (n == 0) refuse("expected a line")
	finish()
	return n + 0
}

# ---------------------------------------------------------------- text as code points

function points_of(ascii,    i, points) {
	for (i = 1; i <= length(ascii); i++) points = points (i > 1 ? " " : "") ORDINAL[substr(ascii, i, 1)]
	return points
}

function say(ascii) { print_points(points_of(ascii)) }

# A printed line: into the reply, or for people as UTF-8.
function print_points(points,    point, n, i, text) {
	if (!for_people) {
		put("print" (points == "" ? "" : " ") points)
		return
	}
	n = split(points, point)
	for (i = 1; i <= n; i++) text = text utf8(point[i] + 0)
	print text
	fflush()
}

function utf8(point) {
	if (point < 128) return CHARACTER[point]
	if (point < 2048) return CHARACTER[192 + int(point / 64)] CHARACTER[128 + point % 64]
	if (point < 65536) return CHARACTER[224 + int(point / 4096)] tail(point)
	return CHARACTER[240 + int(point / 262144)] CHARACTER[128 + int(point / 4096) % 64] tail(point)
}

function tail(point) { return CHARACTER[128 + int(point / 64) % 64] CHARACTER[128 + point % 64] }

# The code points of bytes that must be UTF-8, as a string.
function decode(bytes,    i, n, byte, more_bytes, least, point, points) {
	n = length(bytes)
	for (i = 1; i <= n; i++) {
		point = ORDINAL[substr(bytes, i, 1)]
		if (point < 128) more_bytes = least = 0
		else if (point >= 192 && point < 224) { more_bytes = 1; point -= 192; least = 128 }
		else if (point >= 224 && point < 240) { more_bytes = 2; point -= 224; least = 2048 }
		else if (point >= 240 && point < 248) { more_bytes = 3; point -= 240; least = 65536 }
		else return refuse("the input is not UTF-8")
		while (more_bytes-- > 0) {
			byte = i < n ? ORDINAL[substr(bytes, ++i, 1)] : 0
			if (int(byte / 64) != 2) return refuse("the input is not UTF-8")
			point = point * 64 + byte % 64
		}
		if (point < least || point > 1114111 || point >= 55296 && point <= 57343) return refuse("the input is not UTF-8")
		points = points (points == "" ? "" : " ") point
	}
	return points
}
