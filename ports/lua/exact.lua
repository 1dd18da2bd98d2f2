-- Correctly rounded exp, log, sin, cos and pow (conformance/SPEC.md, sections 2 and 15), in fixed point with ever more
-- limbs until rounding cannot go two ways (Ziv, 1991). Training calls exp and pow so often that pairs of doubles decide
-- most of these calls. Of doubles, only + - * / and the square root are relied on: math.log gives no more than a guess.

local pack, unpack, floor, sqrt = string.pack, string.unpack, math.floor, math.sqrt
local INFINITY <const>, NAN = math.huge, 0.0 / 0.0

-- x > 0, finite, as n * 2^e with an odd n.
local function parts(x)
  local bits = unpack("<i8", pack("<d", x))
  local biased, n = bits >> 52, bits & 0xfffffffffffff
  if biased > 0 then n = n | 1 << 52 else biased = 1 end
  while n & 1 == 0 do n, biased = n >> 1, biased + 1 end
  return n, biased - 1075
end

-- Fixed point: a list of limbs, the whole part first, of either sign, then 28 bits of fraction each. A unit is the last
-- bit of the last limb. Products and quotients are rounded down.

local LIMB <const>, BASE <const>, MASK <const> = 28, 1 << 28, (1 << 28) - 1

-- a + factor * b
local function sum(a, b, factor)
  local c, carry = {}, 0
  for i = #a, 2, -1 do
    carry = carry + a[i] + factor * b[i]
    c[i], carry = carry & MASK, carry // BASE
  end
  c[1] = carry + a[1] + factor * b[1]
  return c
end

local function product(a, b)
  local size, c, carry = #a, {}, 0
  for place = 2 * size - 1, 1, -1 do
    for i = place > size and place - size + 1 or 1, place > size and size or place do
      carry = carry + a[i] * b[place - i + 1]
    end
    if place <= size then c[place] = place > 1 and carry & MASK or carry end
    carry = carry // BASE
  end
  return c
end

local function quotient(a, divisor)
  local c, rest = {}, 0
  for i = 1, #a do
    rest = rest * BASE + a[i]
    c[i], rest = rest // divisor, rest % divisor
  end
  return c
end

-- x, cut off
local function fixed(x, size)
  local a, rest = {}, x < 0.0 and -x or x
  for i = 1, size do
    a[i] = floor(rest)
    rest = (rest - a[i]) * BASE
  end
  return x < 0.0 and sum(fixed(0.0, size), a, -1) or a
end

local function negated(a) return sum(fixed(0.0, #a), a, -1) end

local function is_zero(a)
  for i = 1, #a do if a[i] ~= 0 then return false end end
  return true
end

-- The double nearest to a * 2^exponent, ties to even; rounded once, even if it is subnormal.
local function nearest(a, exponent)
  if is_zero(a) then return 0.0 end
  if a[1] < 0 then return -nearest(negated(a), exponent) end
  local first = 1
  while a[first] == 0 do first = first + 1 end
  local top = exponent - LIMB * (first - 1)
  while a[first] >> (top - exponent + LIMB * (first - 1)) > 0 do top = top + 1 end
  if top > 1024 then return INFINITY end
  local last = top > -1021 and top - 53 or -1074
  local bits = 0 -- two more than the result has; the lower of them also stands for all below it
  for i = first, #a do
    local shift = exponent - LIMB * (i - 1) - last + 2
    local kept = a[i] << shift
    bits = bits | kept | (kept >> shift ~= a[i] and 1 or 0)
  end
  local whole, rest = bits >> 2, bits & 3
  if rest == 3 or rest == 2 and whole & 1 == 1 then whole = whole + 1 end
  -- The leading bit adds one to the exponent, and so does a carry out of the fraction, up to infinity.
  return (unpack("<d", pack("<i8", (last + 1074 << 52) + whole)))
end

-- compute(size) returns a number and the exponent of two that belongs to it. The number's error in units is below
-- `slack`: 2,200 units come from the constants, and three from each term of a series.
local function settled(compute, slack)
  local size = 6
  while true do
    local number, exponent = compute(size)
    local unit = fixed(0.0, size)
    unit[size] = slack or 1 << 13
    local low = nearest(sum(number, unit, -1), exponent)
    if low == nearest(sum(number, unit, 1), exponent) then return low end
    size = 2 * size
  end
end

-- first * (1 + x/d(1) * (1 + x/d(2) * ...))
local function series(first, x, divisor)
  local total, term, k = first, first, 1
  repeat
    term = quotient(product(term, x), divisor(k))
    total, k = sum(total, term, 1), k + 1
  until is_zero(term)
  return total
end

-- whole / n + sign * whole / (3 n^3) + whole / (5 n^5) + ...
local function arc(whole, n, sign, size)
  local power = quotient(fixed(whole, size), n)
  local total, k = power, 1
  repeat
    power, k = quotient(power, n * n), k + 2
    total = sum(total, quotient(power, k), k % 4 == 3 and sign or 1)
  until is_zero(power)
  return total
end

-- The first limbs of constants of 640 bits. No argument is known that needs more than 256.
local LN2, HALF_PI = arc(2.0, 3, 1, 25), sum(arc(8.0, 5, -1, 25), arc(2.0, 239, -1, 25), -1) -- Machin, 1706
local function cut(constant, size) return table.move(constant, 1, size, 1, {}) end

local function exp_series(r) return series(fixed(1.0, #r), r, function(k) return k end) end

-- e^a = number * 2^k with a number from 1 to 2.
local function fixed_exp(a)
  local k = floor(nearest(a, 0) * 1.4426950408889634 - 0x1p-40) -- at most one too small
  return exp_series(sum(a, cut(LN2, #a), -k)), k
end

-- log x = y + log(x e^-y) for any guess y; if it is a little too small, the last argument is a little above 1.
local function fixed_log(x, size)
  local y = math.log(x) - 0x1p-40
  local number, k = fixed_exp(fixed(-y, size))
  local n, e = parts(x)
  local m = n + 0.0
  while m >= 2.0 do m, e = m / 2.0, e + 1 end
  local z = quotient(product(fixed(m, size), number), 1 << -(e + k))
  z[1] = z[1] - 1
  local total, power, i = fixed(y, size), z, 1
  repeat
    total = sum(total, quotient(power, i), i % 2 == 1 and 1 or -1)
    power, i = product(power, z), i + 1
  until is_zero(power)
  return total
end

local function log(x)
  if x ~= x or x == INFINITY then return x end
  if x <= 0.0 then return x == 0.0 and -INFINITY or NAN end
  if x == 1.0 then return 0.0 end
  return settled(function(size) return fixed_log(x, size), 0 end)
end

-- sin(x + quarters pi/2) for |x| <= 8.
local function sine(x, quarters)
  local turns = floor(x * 0.6366197723675814 + 0.5)
  local quadrant = turns + quarters
  return settled(function(size)
    local r = sum(fixed(x, size), cut(HALF_PI, size), -turns)
    local first, odd = r, 1
    if quadrant & 1 == 1 then first, odd = fixed(1.0, size), -1 end
    local wave = series(first, negated(product(r, r)), function(k) return 2 * k * (2 * k + odd) end)
    return quadrant & 2 == 0 and wave or negated(wave), 0
  end)
end

-- For |x| <= 8. Below 2^-27, x^3/6 and x^2/2 are too small to count.
local function sin(x) return (x > 0x1p-27 or x < -0x1p-27) and sine(x, 0) or x end
local function cos(x) return (x > 0x1p-27 or x < -0x1p-27) and sine(x, 1) or 1.0 + 0.0 * x end

-- The quick phase: pairs of doubles

-- a * b and its error (Dekker, Veltkamp).
local function two_product(a, b)
  local p, s, t = a * b, a * 134217729.0, b * 134217729.0
  local a1, b1 = s - (s - a), t - (t - b)
  local a2, b2 = a - a1, b - b1
  return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2
end

-- ln 2 / 128 in two parts; a whole multiple of the first is exact.
local STEP_HIGH = floor(nearest(cut(LN2, 8), 35)) * 0x1p-42
local STEP_LOW = nearest(sum(quotient(cut(LN2, 8), 128), fixed(STEP_HIGH, 8), -1), 0)

local power_high, power_low = {}, {} -- 2^(i/128)
for i = 0, 127 do
  local power = exp_series(quotient(sum(fixed(0.0, 8), cut(LN2, 8), i), 128))
  power_high[i] = nearest(power, 0)
  power_low[i] = nearest(sum(power, fixed(power_high[i], 8), -1), 0)
end

-- e^x for |x| < 700: x is k ln 2 / 128 + d - w, where d has no error. All in all, less than 2^-67 is lost.
local function exp(x)
  if x ~= x then return x end
  if x > 710.0 then return INFINITY end
  if x < -746.0 then return 0.0 end
  if x < 700.0 and x > -700.0 then
    local k = floor(x * 184.6649652337873 + 0.5)
    local d, w, high, low = x - k * STEP_HIGH, k * STEP_LOW, power_high[k % 128], power_low[k % 128]
    local r = d - w
    local tail = r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040)))))) - w
    local p, p_low = two_product(high, d)
    local y = high + p
    local rest = (p - (y - high)) + (p_low + (high * tail + low * (1.0 + (d + tail))))
    local result = y + (rest - 0x1p-66)
    if result == y + (rest + 0x1p-66) then return result * 2.0 ^ (k // 128) end
  end
  return settled(function(size) return fixed_exp(fixed(x, size)) end)
end

-- The product of two pairs.
local function times(a, a_low, b, b_low)
  local p, p_low = two_product(a, b)
  local low = p_low + (a * b_low + a_low * b)
  return p + low, low - (p + low - p)
end

-- x^(n/2) for a finite x > 0, or nil if it may round two ways. The power by squaring, then the root and the
-- inverse corrected once (Newton). An n-th power loses less than 16 n 2^-106 of itself, the corrections 20 2^-106 more.
local function quick_pow(x, n)
  local whole = (n < 0 and -n or n) // 2
  local slack = (whole + 8) * 0x1p-100
  if math.abs(math.log(x)) * (whole + 1) > 600.0 then return nil end
  local y, low, b, b_low = 1.0, 0.0, x, 0.0
  if n & 1 == 1 then
    y = sqrt(x)
    local p, p_low = two_product(y, y)
    low = ((x - p) - p_low) / (2.0 * y)
  end
  while whole > 0 do
    if whole & 1 == 1 then y, low = times(y, low, b, b_low) end
    b, b_low = times(b, b_low, b, b_low)
    whole = whole >> 1
  end
  if n < 0 then
    local inverse = 1.0 / y
    local p, p_low = two_product(inverse, y)
    y, low = inverse, inverse * (((1.0 - p) - p_low) - inverse * low)
  end
  local result = y + (low - y * slack)
  return result == y + (low + y * slack) and result or nil
end

-- x^(n/2) for a finite x > 0. First, as a whole number and an exponent of two, if that number has at most 54 bits: only
-- such powers can be doubles or half-way between two.
local function accurate_pow(x, n)
  local m, e = parts(x)
  local root = floor(sqrt(m))
  local base, exponent, times_it = m, e, n // 2
  if n & 1 == 1 then base, exponent, times_it = root, e // 2, n end
  if n & 1 == 0 or root * root == m and e & 1 == 0 then
    local power, left = 1, base == 1 and 0 or times_it
    while left > 0 and power <= (1 << 54) // base do power, left = power * base, left - 1 end
    if left == 0 then return nearest({ power }, exponent * times_it) end
  end
  return settled(function(size)
    return fixed_exp(sum(fixed(0.0, size), quotient(fixed_log(x, size), 2), n))
  end, 2 * (n < 0 and -n or n) << 13)
end

-- For a whole or half y.
local function pow(x, y)
  if y == 2.0 then return x * x end
  if y == -1.0 then return 1.0 / x end
  if y == 0.0 then return 1.0 end
  if y == 0.5 and x > 0.0 then return sqrt(x) end
  if x ~= x then return x end
  local size, n = x < 0.0 and -x or x, math.tointeger(2.0 * y)
  if x < 0.0 and size < INFINITY and n % 2 == 1 then return NAN end
  local power
  if size == 0.0 or size == INFINITY then
    power = (size == 0.0) == (y > 0.0) and 0.0 or INFINITY
  else
    power = quick_pow(size, n) or accurate_pow(size, n)
  end
  return (x < 0.0 or 1.0 / x < 0.0) and n % 4 == 2 and -power or power
end

return { exp = exp, log = log, sin = sin, cos = cos, pow = pow }
