-- Correctly rounded exp, log, sin, cos and pow (conformance/SPEC.md, sections 2 and 15).
--
-- A quick phase in pairs of doubles decides most calls of exp, log and pow. All others are computed in fixed point,
-- with ever more limbs until rounding cannot go two ways (Ziv, 1991). Of doubles, only + - * / and the square root are
-- relied on: math.log gives no more than a guess.

local pack, unpack, floor, sqrt = string.pack, string.unpack, math.floor, math.sqrt
local INFINITY <const>, NAN = math.huge, 0.0 / 0.0

-- x > 0, finite, as n * 2^e with a whole n.
local function parts(x)
  local bits = unpack("<i8", pack("<d", x))
  local biased, fraction = bits >> 52, bits & 0xfffffffffffff
  if biased == 0 then return fraction, -1074 end
  return fraction | 1 << 52, biased - 1075
end

-- Fixed point: a list of limbs, the whole part first, of either sign, then 28 bits of fraction each. A unit is the last
-- bit of the last limb. Products and quotients are rounded down.

local LIMB <const>, BASE <const>, MASK <const> = 28, 1 << 28, (1 << 28) - 1

local function carried(a)
  for i = #a, 2, -1 do
    a[i - 1] = a[i - 1] + a[i] // BASE
    a[i] = a[i] & MASK
  end
  return a
end

-- a + factor * b
local function sum(a, b, factor)
  local c = {}
  for i = 1, #a do c[i] = a[i] + factor * b[i] end
  return carried(c)
end

local function product(a, b)
  local size, c, carry = #a, {}, 0
  for place = 2 * size - 1, 1, -1 do
    local column = carry
    for i = place > size and place - size + 1 or 1, place > size and size or place do
      column = column + a[i] * b[place - i + 1]
    end
    if place <= size then c[place] = place > 1 and column & MASK or column end
    carry = column // BASE
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

local function fixed(x, size)
  local a, rest = {}, x < 0.0 and -x or x
  for i = 1, size do
    a[i] = floor(rest)
    rest = (rest - a[i]) * BASE
  end
  return x < 0.0 and sum(fixed(0.0, size), a, -1) or a
end

local function is_zero(a)
  for i = 1, #a do if a[i] ~= 0 then return false end end
  return true
end

-- The double nearest to a * 2^exponent, ties to even; rounded once, even if it is subnormal.
local function nearest(a, exponent)
  if is_zero(a) then return 0.0 end
  if a[1] < 0 then return -nearest(sum(fixed(0.0, #a), a, -1), exponent) end
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

-- compute(size) returns a number, the exponent of two that belongs to it, and its error in units.
local function settled(compute)
  local size = 6
  while true do
    local number, exponent, slack = compute(size)
    local unit = fixed(0.0, size)
    unit[size] = 1
    local low = nearest(sum(number, unit, -slack), exponent)
    if low == nearest(sum(number, unit, slack), exponent) then return low end
    size = 2 * size
  end
end

-- More than the errors of exp, log, sin and cos: 2,200 units from the constants, and three from each term of a series.
local SLACK <const> = 1 << 13

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

-- A constant for each size, computed with one limb more, which is then cut off.
local function constant(compute)
  return setmetatable({}, { __index = function(known, size)
    known[size] = table.move(compute(size + 1), 1, size, 1, {})
    return known[size]
  end })
end

local ln2 = constant(function(size) return arc(2.0, 3, 1, size) end)
local half_pi = constant(function(size) return sum(arc(8.0, 5, -1, size), arc(2.0, 239, -1, size), -1) end) -- Machin

local function exp_series(r) return series(fixed(1.0, #r), r, function(k) return k end) end

-- e^a = number * 2^k with a number from 1 to 2.
local function fixed_exp(a)
  local k = floor(nearest(a, 0) * 1.4426950408889634 - 0x1p-40) -- at most one too small
  return exp_series(sum(a, ln2[#a], -k)), k
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

local function accurate_exp(x)
  return settled(function(size)
    local number, k = fixed_exp(fixed(x, size))
    return number, k, SLACK
  end)
end

local function accurate_log(x) return settled(function(size) return fixed_log(x, size), 0, SLACK end) end

-- sin(x + quarters pi/2) for |x| <= 8.
local function sine(x, quarters)
  local turns = floor(x * 0.6366197723675814 + 0.5)
  local quadrant = turns + quarters
  return settled(function(size)
    local r = sum(fixed(x, size), half_pi[size], -turns)
    local falling, wave = sum(fixed(0.0, size), product(r, r), -1), nil
    if quadrant & 1 == 0 then
      wave = series(r, falling, function(k) return 2 * k * (2 * k + 1) end)
    else
      wave = series(fixed(1.0, size), falling, function(k) return (2 * k - 1) * 2 * k end)
    end
    return quadrant & 2 == 0 and wave or sum(fixed(0.0, size), wave, -1), 0, SLACK
  end)
end

-- x^(n/2) as a whole number and an exponent of two, if that number has at most 54 bits: only such powers can be doubles
-- or half-way between two.
local function short_power(x, n)
  local m, e = parts(x)
  while m & 1 == 0 do m, e = m >> 1, e + 1 end
  if n % 2 == 0 then
    n = n // 2
  else
    local root = floor(sqrt(m))
    if root * root ~= m or e % 2 == 1 then return nil end
    m, e = root, e // 2
  end
  if m == 1 then return 1, e * n end
  local power = 1
  for _ = 1, n do
    if power > (1 << 54) // m then return nil end
    power = power * m
  end
  return n > 0 and power or nil, e * n
end

-- x^(n/2) for a finite x > 0.
local function accurate_pow(x, n)
  local short, exponent = short_power(x, n)
  if short then return nearest({ short }, exponent) end
  return settled(function(size)
    local half_log = quotient(fixed_log(x, size), 2)
    local number, k = fixed_exp(sum(fixed(0.0, size), half_log, n))
    return number, k, 2 * SLACK * (n < 0 and -n or n)
  end)
end

-- Pairs of doubles

-- a * b and its error (Dekker, Veltkamp).
local function two_product(a, b)
  local p, s, t = a * b, a * 134217729.0, b * 134217729.0
  local a1, b1 = s - (s - a), t - (t - b)
  local a2, b2 = a - a1, b - b1
  return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2
end

-- ln 2 / 128 in two parts; a whole multiple of the first is exact.
local STEP_HIGH = floor(nearest(ln2[8], 35)) * 0x1p-42
local STEP_LOW = nearest(sum(quotient(ln2[8], 128), fixed(STEP_HIGH, 8), -1), 0)

local power_high, power_low = {}, {} -- 2^(i/128)
for i = 0, 127 do
  local power = exp_series(quotient(sum(fixed(0.0, 8), ln2[8], i), 128))
  power_high[i] = nearest(power, 0)
  power_low[i] = nearest(sum(power, fixed(power_high[i], 8), -1), 0)
end

local function two_to(k) return (unpack("<d", pack("<i8", k + 1023 << 52))) end

-- e^(x + x_low) = (high + low) * 2^k, less than 2^-76 off: the argument is (128 k + i) ln 2 / 128 + r, |r| < 0.003.
local function pair_exp(x, x_low)
  local steps = floor(x * 184.6649652337873 + 0.5)
  local a, b = x - steps * STEP_HIGH, x_low - steps * STEP_LOW
  local r = a + b
  local t = r - a
  local r_low = (a - (r - t)) + (b - t)
  -- e^r - 1 = f + f_low
  local square, square_low = two_product(r, r)
  local tail = square * r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040)))))
  local f = r + 0.5 * square
  local f_low = (0.5 * square - (f - r)) + (0.5 * square_low + (r_low + r * r_low) + tail)
  local i = steps % 128
  local p, p_low = two_product(power_high[i], f)
  local high = power_high[i] + p
  local low = (p - (high - power_high[i])) + (p_low + (power_high[i] * f_low + power_low[i] * (1.0 + f)))
  return high, low, steps // 128
end

-- log x = y + z, less than 2^-75 off, for |log x| < 700: the guess of fixed_log, and what is missing.
local function pair_log(x)
  local y = math.log(x)
  local high, low, k = pair_exp(-y, 0.0)
  local m = x * two_to(k)
  local p, p_low = two_product(m, high)
  return y, (p - 1.0) + (p_low + m * low)
end

local function exp(x)
  if x ~= x then return x end
  if x > 710.0 then return INFINITY end
  if x < -746.0 then return 0.0 end
  if x < 708.0 and x > -708.0 then
    local high, low, k = pair_exp(x, 0.0)
    local result = high + (low - 0x1p-72)
    if result == high + (low + 0x1p-72) then return result * two_to(k) end
  end
  return accurate_exp(x)
end

local function log(x)
  if x ~= x or x == INFINITY then return x end
  if x <= 0.0 then return x == 0.0 and -INFINITY or NAN end
  if x == 1.0 then return 0.0 end
  if x > 0x1p-1000 and x < 0x1p1000 then
    local y, z = pair_log(x)
    local result = y + (z - 0x1p-70)
    if result == y + (z + 0x1p-70) then return result end
  end
  return accurate_log(x)
end

-- For |x| <= 8. Below 2^-27, x^3/6 and x^2/2 are too small to count.
local function sin(x) return (x > 0x1p-27 or x < -0x1p-27) and sine(x, 0) or x end
local function cos(x) return (x > 0x1p-27 or x < -0x1p-27) and sine(x, 1) or 1.0 + 0.0 * x end

-- x^(n/2) for a finite x > 0: e^(n/2 log x).
local function positive_pow(x, n)
  if x > 0x1p-1000 and x < 0x1p1000 then
    local y, z = pair_log(x)
    local a, a_low = two_product(y, 0.5 * n)
    if a < 708.0 and a > -708.0 then
      local high, low, k = pair_exp(a, a_low + z * (0.5 * n))
      local slack = ((n < 0 and -n or n) + 1) * 0x1p-73
      local result = high + (low - slack)
      if result == high + (low + slack) then return result * two_to(k) end
    end
  end
  return accurate_pow(x, n)
end

-- For a whole or half y.
local function pow(x, y)
  if y == 2.0 then return x * x end
  if y == -1.0 then return 1.0 / x end
  if y == 1.0 then return x end
  if y == 0.0 then return 1.0 end
  if y == 0.5 and x > 0.0 then return sqrt(x) end
  if x ~= x then return x end
  local size, n = x < 0.0 and -x or x, math.tointeger(2.0 * y)
  if x < 0.0 and size < INFINITY and n % 2 == 1 then return NAN end
  local power
  if size == 0.0 or size == INFINITY then
    power = (size == 0.0) == (y > 0.0) and 0.0 or INFINITY
  else
    power = positive_pow(size, n)
  end
  return (x < 0.0 or 1.0 / x < 0.0) and n % 4 == 2 and -power or power
end

return { exp = exp, log = log, sin = sin, cos = cos, pow = pow }
