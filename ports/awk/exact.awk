# Correctly rounded exp, log, sin, cos and pow (SPEC, sections 2 and 15), in fixed point with ever more limbs until
# rounding cannot go two ways (Ziv, 1991). The built-in exp, log and sqrt give first guesses, sqrt the exact roots.
#
# A number in fixed point is an array a[0..n]: a whole part of either sign, then n limbs of 24 bits, so that a column of
# 25 products fits into a double. A unit is the last bit of the last limb. Products and quotients are rounded down.

BEGIN {
	BASE = 16777216
	POWER[0] = 1  # POWER[e] is 2^e; gawk's 2^-1074 is 0
	for (e = 1; e <= 1023; e++) POWER[e] = 2 * POWER[e - 1]
	for (e = -1; e >= -1074; e--) POWER[e] = POWER[e + 1] / 2
	INF = 2 * POWER[1023]
	NAN = INF - INF
	CONSTANT_LIMBS = 25
	arc(LN2, 2, 3, 1, CONSTANT_LIMBS)
	arc(HALF_PI, 8, 5, -1, CONSTANT_LIMBS)  # Machin, 1706
	arc(machin, 2, 239, -1, CONSTANT_LIMBS)
	sum(HALF_PI, HALF_PI, machin, -1, CONSTANT_LIMBS)
}

# a / b as IEEE 754 has it, where awk stops at b = 0.
function over(a, b) {
	if (b != 0) return a / b
	if (a == 0 || a != a) return NAN
	return is_negative(a) == is_negative(b) ? INF : -INF
}

function is_negative(x) { return x == 0 ? atan2(x, -1) < 0 : x < 0 }

# c = a + factor b
function sum(c, a, b, factor, n,    i, t, limb) {
	for (i = n; i > 0; i--) {
		t += a[i] + factor * b[i]
		limb = t % BASE
		if (limb < 0) limb += BASE
		c[i] = limb
		t = (t - limb) / BASE
	}
	c[0] = a[0] + factor * b[0] + t
}

# c = a b, both positive; c may be the same array as either. Columns that change no more than a unit are left out.
function product(c, a, b, n,    place, i, lead, t, limb) {
	lead = 0
	while (lead < n && a[lead] == 0) lead++
	for (place = n + 2; place >= 0; place--) {
		for (i = place - n > lead ? place - n : lead; i <= n && i <= place; i++) t += a[i] * b[place - i]
		if (place == 0) { c[0] = t; return }
		limb = t % BASE
		if (place <= n) c[place] = limb
		t = (t - limb) / BASE
	}
}

# c = a / divisor, a whole number below 2^29
function quotient(c, a, divisor, n,    i, t, rest) {
	for (i = 0; i <= n; i++) {
		t = rest * BASE + a[i]
		rest = t % divisor
		if (rest < 0) rest += divisor
		c[i] = (t - rest) / divisor
	}
}

# a = x, cut off
function fixed(a, x, n,    i, rest, zero) {
	delete a
	rest = x < 0 ? -x : x
	for (i = 0; i <= n; i++) {
		a[i] = int(rest)
		rest = (rest - a[i]) * BASE
	}
	if (x < 0) sum(a, zero, a, -1, n)
}

function is_zero(a, n,    i) {
	for (i = 0; i <= n; i++) if (a[i] != 0) return 0
	return 1
}

# The double nearest to a * 2^exponent, ties to even; rounded once, even if it is subnormal.
function nearest(a, exponent, n,    zero, i, size, last, place, whole, rest, pieces, sticky) {
	if (is_zero(a, n)) return 0
	if (a[0] < 0) {
		sum(zero, zero, a, -1, n)
		return -nearest(zero, exponent, n)
	}
	i = size = 0
	while (a[i] == 0) i++
	place = exponent - 24 * i
	while (a[i] >= POWER[size]) size++
	if (place + size > 1024) return INF
	if (place + size < -1074) return 0
	last = place + size - 53 > -1074 ? place + size - 53 : -1074
	for (; i <= n; i++) {
		if (place >= last) whole += a[i] * POWER[place - last]
		else if (++pieces <= 2) rest += a[i] * POWER[place - last]
		else if (a[i] != 0) sticky = 1
		place -= 24
	}
	whole += int(rest)
	rest -= int(rest)
	if (rest > 0.5 || rest == 0.5 && (sticky || whole % 2 == 1)) whole++
	return whole * POWER[last]
}

# The function named `compute` puts a number into an array and returns the exponent of two that belongs to it. The
# number's error in units is below `slack`: constants, series and squarings lose some 2^16 of them.
function settled(compute, slack, x, y,    n, exponent, number, unit, low, high) {
	for (n = 6; ; n *= 2) {
		exponent = @compute(number, n, x, y)
		delete unit
		unit[n] = 1
		sum(low, number, unit, -slack, n)
		sum(high, number, unit, slack, n)
		if (nearest(low, exponent, n) == nearest(high, exponent, n)) return nearest(low, exponent, n)
	}
}

# total = total (1 + x/d(1) (1 + x/d(2) ...)) with d(k) = k; or, if odd is 1 or -1, total (1 - x/d(1) (1 - x/d(2) ...))
# with d(k) = 2k (2k + odd). x is positive: a negative term would be rounded down again and again.
function series(total, x, odd, n,    i, k, term) {
	for (i = 0; i <= n; i++) term[i] = total[i]
	do {
		k++
		product(term, term, x, n)
		quotient(term, term, odd ? 2 * k * (2 * k + odd) : k, n)
		sum(total, total, term, odd && k % 2 ? -1 : 1, n)
	} while (!is_zero(term, n))
}

# total = whole/m + sign whole/(3 m^3) + whole/(5 m^5) + ...
function arc(total, whole, m, sign, n,    power, term, k) {
	total[0] = 0
	power[0] = whole
	quotient(power, power, m, n)
	for (k = 1; !is_zero(power, n); k += 2) {
		quotient(term, power, k, n)
		sum(total, total, term, k % 4 == 3 ? sign : 1, n)
		quotient(power, power, m * m, n)
	}
}

# number = e^a / 2^k; returns k, which is right or one too small
function fixed_exp(number, a, n,    k, r, halvings) {
	halvings = 8
	k = floor(nearest(a, 0, n) * 1.4426950408889634 - POWER[-30])
	sum(r, a, LN2, -k, n)
	quotient(r, r, POWER[halvings], n)
	fixed(number, 1, n)
	series(number, r, 0, n)
	while (halvings-- > 0) product(number, number, number, n)
	return k
}

# total = log x = y + log(x e^-y) for any guess y; if it is a little too small, the last argument is a little above 1
function fixed_log(total, x, n,    y, e, k, z, power, term) {
	y = log(x) - POWER[-40]
	fixed(power, -y, n)
	k = fixed_exp(z, power, n)
	e = exponent(x)
	fixed(power, x / POWER[e], n)
	product(z, z, power, n)
	quotient(z, z, POWER[-(e + k)], n)
	z[0]--
	fixed(total, y, n)
	fixed(power, 1, n)
	for (k = 1; k <= n; k++) {  # each power of z has some 40 zeros more
		product(power, power, z, n)
		quotient(term, power, k, n)
		sum(total, total, term, k % 2 ? 1 : -1, n)
	}
}

function floor(x) { return int(x) > x ? int(x) - 1 : int(x) }

# The greatest e with 2^e <= x.
function exponent(x,    e) {
	e = int(log(x) * 1.4426950408889634)
	if (e > 1023) e = 1023
	while (POWER[e] > x) e--
	while (e < 1023 && POWER[e + 1] <= x) e++
	return e
}

function number_exp(number, n, x, unused,    a) {
	fixed(a, x, n)
	return fixed_exp(number, a, n)
}

function number_log(number, n, x, unused) {
	fixed_log(number, x, n)
	return 0
}

# sin(x + quarters pi/2)
function number_sin(number, n, x, quarters,    turns, quadrant, r, square, zero) {
	turns = floor(x * 0.6366197723675814)
	quadrant = (turns + quarters + 8) % 4
	fixed(r, x, n)
	sum(r, r, HALF_PI, -turns, n)
	if (r[0] < 0) {  # turns is one too many: the sine changes its sign, but not the cosine
		sum(r, zero, r, -1, n)
		if (quadrant % 2 == 0) quadrant = (quadrant + 2) % 4
	}
	product(square, r, r, n)
	fixed(number, 1, n)
	if (quadrant % 2 == 0) sum(number, zero, r, 1, n)
	series(number, square, quadrant % 2 ? -1 : 1, n)
	if (quadrant >= 2) sum(number, zero, number, -1, n)
	return 0
}

# x^(halves/2)
function number_pow(number, n, x, halves,    a, zero) {
	fixed_log(a, x, n)
	sum(a, zero, a, halves, n)
	quotient(a, a, 2, n)
	return fixed_exp(number, a, n)
}

function exact_exp(x) {
	if (x != x) return x
	if (x > 710) return INF
	if (x < -746) return 0
	return settled("number_exp", 1048576, x)
}

function exact_log(x) {
	if (x != x || x == INF) return x
	if (x <= 0) return x == 0 ? -INF : NAN
	return x == 1 ? 0 : settled("number_log", 1048576, x)
}

# For |x| <= 8. Below 2^-27, x^3/6 is too small to count.
function exact_sin(x) { return x > POWER[-27] || x < -POWER[-27] ? settled("number_sin", 1048576, x, 0) : x }
function exact_cos(x) { return x == x ? settled("number_sin", 1048576, x, 1) : x }

# For a whole or half y.
function exact_pow(x, y,    odd, power) {
	if (y == 0 || x == 1) return 1
	if (x != x || y == 1) return x
	if (y == -1) return over(1, x)
	if (y == 2) return x * x
	if (x > -INF && x < 0 && y % 1 != 0) return NAN
	odd = y % 2 == 1 || y % 2 == -1
	if (x == 0 || x == INF || x == -INF) power = (x == 0) == (y > 0) ? 0 : INF
	else if (y == 0.5) power = sqrt(x)
	else power = positive_pow(x < 0 ? -x : x, 2 * y)
	return odd && is_negative(x) ? -1 * power : power
}

# A power can be a double, or half-way between two, only as a whole power of a short number. Then it is multiplied out:
# x is base^2 or base, times a power of two.
function positive_pow(x, halves,    e, base, times, bits, a, b, i) {
	e = exponent(x)
	base = x / POWER[e]
	times = halves / 2
	if (halves % 2 != 0) {
		base *= 1 + (e % 2 != 0)
		e = floor(e / 2)
		times = is_square(base) ? halves : 0
		base = sqrt(base)
	}
	bits = 0
	while (base * POWER[bits] % 1 != 0) bits++
	if (times > 0 && times * ++bits <= 144 || times < 0 && base == 1) {
		fixed(a, 1, 6)
		fixed(b, base / 2, 6)
		for (i = base == 1 ? times : 0; i < times; i++) product(a, a, b, 6)
		return nearest(a, base == 1 ? e * times : (e + 1) * times, 6)
	}
	return settled("number_pow", 4194304 * (halves < 0 ? -halves : halves), x, halves)
}

function is_square(x,    root, square) {
	fixed(root, sqrt(x), 6)
	fixed(square, x, 6)
	product(root, root, root, 6)
	sum(root, root, square, -1, 6)
	return is_zero(root, 6)
}
