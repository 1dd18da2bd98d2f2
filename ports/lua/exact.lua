-- Correctly rounded exp, log, sin, cos and pow (conformance/SPEC.md, sections 2 and 15), in fixed point with 196 bits
-- after the point, of which the last 28 may be wrong. No true value is known to come as near to a middle between two
-- doubles unless it is one, as powers may be. Training calls exp and pow so often that pairs of doubles decide most of
-- these calls. Of doubles, only + - * / and the square root are relied on: math.log gives no more than a guess.

local floor, sqrt = math.floor, math.sqrt
local INFINITY <const>, NAN = math.huge, 0.0 / 0.0

-- Fixed point: a list of limbs, the whole part first, of either sign, then 28 bits of fraction each. Quotients are
-- rounded down, and products too, but for a few units of the last place.

local SIZE <const>, LIMB <const>, BASE <const>, MASK <const> = 8, 28, 1 << 28, (1 << 28) - 1
local ZERO, ONE = { 0, 0, 0, 0, 0, 0, 0, 0 }, { 1, 0, 0, 0, 0, 0, 0, 0 }
local LN2 = { 0, 0xb17217f, 0x7d1cf79, 0xabc9e3b, 0x39803f2, 0xf6af40f, 0x3432672, 0x98b62d8 }
local HALF_PI = { 1, 0x921fb54, 0x442d184, 0x69898cc, 0x51701b8, 0x39a2520, 0x49c1114, 0xcf98e80 }
local HALF_LIMB = { 0, 0, 0, 0, 0, 0, 0, BASE // 2 }

-- a + factor * b
local function sum(a, b, factor)
  local c, carry = {}, 0
  for i = SIZE, 2, -1 do
    carry = carry + a[i] + factor * b[i]
    c[i], carry = carry & MASK, carry // BASE
  end
  c[1] = carry + a[1] + factor * b[1]
  return c
end

local function product(a, b)
  local c, carry = {}, 0
  for place = SIZE + 1, 1, -1 do
    for i = place > SIZE and 2 or 1, place > SIZE and SIZE or place do
      carry = carry + a[i] * b[place - i + 1]
    end
    if place <= SIZE then c[place] = place > 1 and carry & MASK or carry end
    carry = carry // BASE
  end
  return c
end

local function quotient(a, divisor)
  local c, rest = {}, 0
  for i = 1, SIZE do
    rest = rest * BASE + a[i]
    c[i], rest = rest // divisor, rest % divisor
  end
  return c
end

local function negated(a) return sum(ZERO, a, -1) end

-- x, cut off
local function fixed(x)
  if x < 0.0 then return negated(fixed(-x)) end
  local a = {}
  for i = 1, SIZE do
    a[i] = floor(x)
    x = (x - a[i]) * BASE
  end
  return a
end

-- The double nearest to a * 2^exponent, ties to even; rounded once, even if it is subnormal.
local function nearest(a, exponent)
  if a[1] < 0 then return -nearest(negated(a), exponent) end
  a = sum(a, HALF_LIMB, 1) -- and now without the last limb
  local first, bits = 1, 0
  while a[first] == 0 do first = first + 1 end
  if first >= SIZE then return 0.0 end
  local top = exponent - LIMB * (first - 1)
  while a[first] >> (top - exponent + LIMB * (first - 1)) > 0 do top = top + 1 end
  if top > 1024 then return INFINITY end
  local last = top > -1021 and top - 53 or -1074
  for i = first, SIZE - 1 do -- two more bits than the result has; the lower also stands for all below it
    local shift = exponent - LIMB * (i - 1) - last + 2
    local kept = a[i] << shift
    bits = bits | kept | (kept >> shift ~= a[i] and 1 or 0)
  end
  local whole, rest = bits >> 2, bits & 3
  if rest == 3 or rest == 2 and whole & 1 == 1 then whole = whole + 1 end
  -- The leading bit adds one to the exponent, and so does a carry out of the fraction, up to infinity.
  return (string.unpack("<d", string.pack("<i8", (last + 1074 << 52) + whole)))
end

-- 1 + x/d(1) * (1 + x/d(2) * ...)
local function series(x, terms, divisor)
  local total = ONE
  for k = terms, 1, -1 do total = sum(ONE, quotient(product(x, total), divisor(k)), 1) end
  return total
end

local function identity(k) return k end

-- 2^(i/128), and the same in pairs of doubles
local powers, power_high, power_low = { [0] = ONE, series(quotient(LN2, 128), 20, identity) }, {}, {}
for i = 0, 127 do
  powers[i] = powers[i] or product(powers[i - 1], powers[1])
  power_high[i] = nearest(powers[i], 0)
  power_low[i] = nearest(sum(powers[i], fixed(power_high[i]), -1), 0)
end

-- e^a = number * 2^k with a number from 1 to 2.
local function fixed_exp(a)
  local k = floor(nearest(a, 0) * 184.6649652337873)
  local r = sum(a, quotient(sum(ZERO, LN2, k), 128), -1)
  return product(powers[k & 127], series(r, 20, identity)), k // 128
end

-- log x = y + log(x e^-y) for a guess y, and the last argument is 1 + z with a z below 2^-40.
local function fixed_log(x)
  local y = math.log(x)
  local power, k = fixed_exp(fixed(-y))
  local half = k // 2
  local z = sum(product(fixed(x * 2.0 ^ half * 2.0 ^ (k - half)), power), ONE, -1)
  local total = ZERO
  for i = 5, 1, -1 do total = sum(quotient(ONE, i), product(z, total), -1) end
  return sum(fixed(y), product(z, total), 1)
end

local function log(x)
  if x ~= x or x == INFINITY then return x end
  if x <= 0.0 then return x == 0.0 and -INFINITY or NAN end
  return nearest(fixed_log(x), 0)
end

-- sin(x + quarters pi/2) for |x| <= 8.
local function sine(x, quarters)
  local turns = floor(x * 0.6366197723675814 + 0.5)
  local r, quadrant = sum(fixed(x), HALF_PI, -turns), turns + quarters
  local is_sine = quadrant & 1 == 0
  local wave = series(product(r, negated(r)), 24, function(k) return 2 * k * (2 * k + (is_sine and 1 or -1)) end)
  if is_sine then wave = product(r, wave) end
  return nearest(quadrant & 2 == 0 and wave or negated(wave), 0)
end

-- For |x| <= 8. Below 2^-27, x^3/6 is too small to count.
local function sin(x) return (math.abs(x) > 0x1p-27) and sine(x, 0) or x end
local function cos(x) return x == x and sine(x, 1) or x end

-- The quick phase: pairs of doubles

-- a * b and its error (Dekker, Veltkamp).
local function two_product(a, b)
  local p, s, t = a * b, a * 134217729.0, b * 134217729.0
  local a1, b1 = s - (s - a), t - (t - b)
  local a2, b2 = a - a1, b - b1
  return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2
end

-- ln 2 / 128 in two parts; a whole multiple of the first is exact.
local STEP_HIGH = floor(nearest(LN2, 35)) * 0x1p-42
local STEP_LOW = nearest(sum(quotient(LN2, 128), fixed(STEP_HIGH), -1), 0)

-- e^x: for |x| < 700, x is k ln 2 / 128 + d - w, where d has no error. All in all, less than 2^-67 is lost.
local function exp(x)
  if x ~= x then return x end
  x = x > 710.0 and 710.0 or x < -746.0 and -746.0 or x -- beyond, it is infinity and 0 all the same
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
  return nearest(fixed_exp(fixed(x)))
end

-- x^(n/2) for a finite x > 0 of ordinary size and a small n, or nil if it may round two ways. The root and the inverse
-- are corrected once (Newton); all in all, less than 2^-98 of the power is lost.
local function quick_pow(x, n)
  local y, low = 1.0, 0.0
  if n & 1 == 1 then
    y = sqrt(x)
    local p, p_low = two_product(y, y)
    low = ((x - p) - p_low) / (2.0 * y)
  end
  for _ = 1, (n < 0 and -n or n) // 2 do
    local p, p_low = two_product(y, x)
    p_low = p_low + low * x
    y = p + p_low
    low = p_low - (y - p)
  end
  if n < 0 then
    local inverse = 1.0 / y
    local p, p_low = two_product(inverse, y)
    y, low = inverse, inverse * (((1.0 - p) - p_low) - inverse * low)
  end
  local result = y + (low - y * 0x1p-98)
  return result == y + (low + y * 0x1p-98) and result or nil
end

-- For a whole or half y.
local function pow(x, y)
  if y == 2.0 then return x * x end
  if y == -1.0 then return 1.0 / x end
  if y == 0.0 then return 1.0 end
  if y == 0.5 and x > 0.0 then return sqrt(x) end
  if x ~= x then return x end
  local size, n, power = x < 0.0 and -x or x, math.tointeger(2.0 * y), nil
  if x < 0.0 and size < INFINITY and n % 2 == 1 then return NAN end
  if size == 0.0 or size == INFINITY then
    power = (size == 0.0) == (y > 0.0) and 0.0 or INFINITY
  else
    power = n * n < 50 and size < 0x1p200 and size > 0x1p-200 and quick_pow(size, n)
      or nearest(fixed_exp(quotient(sum(ZERO, fixed_log(size), n), 2)))
  end
  return (x < 0.0 or 1.0 / x < 0.0) and n % 4 == 2 and -power or power
end

return { exp = exp, log = log, sin = sin, cos = cos, pow = pow }
