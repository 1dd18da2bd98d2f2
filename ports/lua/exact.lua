-- Correctly rounded exp, log, sin, cos and pow of doubles: the answer is the double nearest to the true value.
-- The numbers of microgpt.lua rest on these; nothing here knows of models or of the protocol.
--
-- Each function has two phases (Ziv, 1991). The quick one computes a pair of doubles, whose sum is much nearer to the
-- true value than half an ulp, and returns if rounding cannot go two ways. If it can, the accurate one decides, with
-- fixed-point numbers made of 28-bit limbs: 196 bits after the point, then twice as many, until both ends of the
-- error interval round to the same double. All tables and constants come from the accurate phase.

local pack, unpack = string.pack, string.unpack
local floor, sqrt, tointeger = math.floor, math.sqrt, math.tointeger

local INFINITY <const> = math.huge
local NAN = 0.0 / 0.0

-- Powers of two, from the least subnormal to the greatest double's.
local two_to = { [0] = 1.0 }
for n = 1, 1023 do two_to[n] = two_to[n - 1] * 2.0 end
for n = -1, -1074, -1 do two_to[n] = two_to[n + 1] * 0.5 end

-- x > 0, finite, as m * 2^e with 1 <= m < 2.
local function split(x)
  local scale = 0
  if x < 0x1p-1022 then x, scale = x * 0x1p54, 54 end
  local bits = unpack("<i8", pack("<d", x))
  local mantissa = unpack("<d", pack("<i8", bits & 0xfffffffffffff | 0x3ff << 52))
  return mantissa, (bits >> 52) - 1023 - scale
end

---------------------------------------------------------------------------------------------------------------------
-- Fixed-point numbers: a list of limbs, first the whole part, then 28 bits of fraction each; never negative.
-- A unit is the last bit of the last limb. All operations cut off: they err by less than one unit, downwards.

local LIMB <const> = 28
local BASE <const> = 1 << LIMB
local MASK <const> = BASE - 1

-- Of a double from 0 to 2^28.
local function fixed(x, size)
  local a = {}
  for i = 1, size do
    local limb = floor(x)
    a[i] = limb
    x = (x - limb) * BASE
  end
  return a
end

local function copy(a)
  return table.move(a, 1, #a, 1, {})
end

-- Carries what is too large or negative in the limbs of a on to the left, up to the whole part; the last limb first
-- receives so many units. Changes a.
local function carried(a, units)
  local carry = units or 0
  for i = #a, 2, -1 do
    local limb = a[i] + carry
    a[i] = limb & MASK
    carry = limb // BASE
  end
  a[1] = a[1] + carry
  return a
end

local function plus(a, b)
  local sum = {}
  for i = 1, #a do sum[i] = a[i] + b[i] end
  return carried(sum)
end

local function minus(a, b)
  local difference = {}
  for i = 1, #a do difference[i] = a[i] - b[i] end
  return carried(difference)
end

-- By a whole number below 2^30.
local function scaled(a, factor)
  local product = {}
  for i = 1, #a do product[i] = a[i] * factor end
  return carried(product)
end

local function divided(a, divisor)
  local quotient, rest = {}, 0
  for i = 1, #a do
    rest = rest << LIMB | a[i]
    quotient[i] = rest // divisor
    rest = rest % divisor
  end
  return quotient
end

-- The product, and whether anything was cut off. A column has at most `size` products of 56 bits.
local function times(a, b)
  local size = #a
  local product, carry, lost = copy(a), 0, false
  for column = 2 * size - 1, 1, -1 do
    local sum = carry
    for i = column > size and column - size + 1 or 1, column > size and size or column do
      sum = sum + a[i] * b[column - i + 1]
    end
    if column > size then
      lost = lost or sum & MASK ~= 0
    elseif column > 1 then
      product[column] = sum & MASK
    else
      product[1] = sum
    end
    carry = sum >> LIMB
  end
  return product, lost
end

local function is_zero(a)
  for i = 1, #a do
    if a[i] ~= 0 then return false end
  end
  return true
end

-- a * 2^exponent as a double: nearest, ties to even, rounded once even if the result is subnormal.
local function rounded(a, exponent)
  local first = 1
  while a[first] == 0 do
    first = first + 1
    if first > #a then return 0.0 end
  end
  local top = exponent - LIMB * (first - 1) - 1
  local limb = a[first]
  while limb > 0 do
    top, limb = top + 1, limb >> 1
  end
  if top > 1023 then return INFINITY end
  local last = top - 52
  if last < -1074 then last = -1074 end
  -- Two bits more than the result has, the lower of which also stands for everything below it.
  local bits, sticky = 0, 0
  for i = first, #a do
    local shift = exponent - LIMB * (i - 1) - (last - 2)
    if shift >= 0 then
      bits = bits | a[i] << shift
    else
      local kept = a[i] >> -shift
      bits = bits | kept
      if kept << -shift ~= a[i] then sticky = 1 end
    end
  end
  bits = bits | sticky
  local whole, rest = bits >> 2, bits & 3
  if rest == 3 or rest == 2 and whole & 1 == 1 then whole = whole + 1 end
  return whole * two_to[last]
end

-- compute(size) returns a number, the exponent of two by which it is to be multiplied, and its error in units.
local function settled(compute)
  local size = 8
  while true do
    local number, exponent, slack = compute(size)
    local low = rounded(carried(copy(number), -slack), exponent)
    local high = rounded(carried(copy(number), slack), exponent)
    if low == high then return low end
    size = 2 * size
  end
end

-- The sum first/1 ± first/(3 square) + first/(5 square^2) ± ...
local function series(first, square, sign)
  local sum, power, n = first, first, 1
  repeat
    power, n = divided(power, square), n + 2
    local term = divided(power, n)
    sum = (sign < 0 and n % 4 == 3) and minus(sum, term) or plus(sum, term)
  until is_zero(power)
  return sum
end

-- A constant for each size, computed with one limb more, which is then cut off: one unit of error.
local function constant(compute)
  return setmetatable({}, {
    __index = function(sizes, size)
      local number = compute(size + 1)
      number[size + 1] = nil
      sizes[size] = number
      return number
    end,
  })
end

-- ln 2 = 2 artanh(1/3)
local ln2 = constant(function(size)
  return series(divided(fixed(2.0, size), 3), 9, 1)
end)

-- pi/2 = 8 arctan(1/5) - 2 arctan(1/239) (Machin, 1706)
local half_pi = constant(function(size)
  local fifth = series(divided(fixed(8.0, size), 5), 25, -1)
  return minus(fifth, series(divided(fixed(2.0, size), 239), 239 * 239, -1))
end)

-- The true error of the four functions below is less than this many units: at most 2,200 from the constants, which
-- are multiplied by at most 1,076, and 3 from each term of a series.
local SLACK <const> = 1 << 13

-- exp(r) for 0 <= r < 1, by Taylor's series.
local function fixed_exp(r)
  local sum, term, n = fixed(1.0, #r), r, 1
  repeat
    sum, n = plus(sum, term), n + 1
    term = divided(times(term, r), n)
  until is_zero(term)
  return sum
end

-- log(m) for 1 <= m < 2. Any library's logarithm y, a little too small, is mended: log(m) = y + log(m exp(-y)).
local function fixed_log(m, size)
  local guess = math.log(m) - 0x1p-40
  local y, d = fixed(0.0, size), fixed(m - 1.0, size)
  if guess > 0.0 then
    y = fixed(guess, size)
    d = divided(times(fixed(m, size), fixed_exp(minus(ln2[size], y))), 2)
    d[1] = d[1] - 1
  end
  local sum, power, n = y, d, 1
  repeat
    local term = divided(power, n)
    sum = n % 2 == 1 and plus(sum, term) or minus(sum, term)
    power, n = times(power, d), n + 1
  until is_zero(power)
  return sum
end

-- sin(r) or cos(r) for 0 <= r <= pi/2, by Taylor's series, which begins with the term of power 1 or 0.
local function fixed_wave(r, power)
  local square, term = times(r, r), power == 1 and r or fixed(1.0, #r)
  local sums, sign = { term, fixed(0.0, #r) }, 1
  repeat
    term = divided(times(term, square), (power + 1) * (power + 2))
    power, sign = power + 2, 3 - sign
    sums[sign] = plus(sums[sign], term)
  until is_zero(term)
  return minus(sums[1], sums[2])
end

-- The number as a pair of doubles, whose sum has at least 106 right bits.
local function pair(number)
  local high = rounded(number, 0)
  local rest = minus(number, fixed(high, #number))
  if rest[1] >= 0 then return high, rounded(rest, 0) end
  return high, -rounded(minus(fixed(high, #number), number), 0)
end

-- The number as a sum of three doubles, the first two of which are multiples of the given steps.
local function three_parts(number, step1, step2)
  local first = rounded(number, 0) // step1 * step1
  local rest = minus(number, fixed(first, #number))
  local second = rounded(rest, 0) // step2 * step2
  return first, second, rounded(minus(rest, fixed(second, #number)), 0)
end

---------------------------------------------------------------------------------------------------------------------
-- Pairs of doubles

-- a + b and its error (Knuth).
local function two_sum(a, b)
  local s = a + b
  local t = s - a
  return s, (a - (s - t)) + (b - t)
end

-- a * b and its error (Dekker, Veltkamp).
local function two_product(a, b)
  local p = a * b
  local c = a * 134217729.0
  local a1 = c - (c - a)
  local a2 = a - a1
  c = b * 134217729.0
  local b1 = c - (c - b)
  local b2 = b - b1
  return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2
end

---------------------------------------------------------------------------------------------------------------------
-- exp

-- exp(x) = 2^(k/128) exp(r), |r| < 0.0028.
local EXP_STEPS <const> = 128
local steps_per_unit = EXP_STEPS / rounded(ln2[8], 0)
local exp_step1, exp_step2, exp_step3 = three_parts(divided(ln2[8], EXP_STEPS), 0x1p-42, 0x1p-77)
local ROUND <const> = 0x1.8p52 -- adding and subtracting it rounds to a whole number

local exp_high, exp_low = {}, {}
local function fill_exp(i)
  exp_high[i], exp_low[i] = pair(fixed_exp(divided(scaled(ln2[8], i), EXP_STEPS)))
end

local function accurate_exp(x)
  return settled(function(size)
    -- x = k ln 2 + r. A k that is one too small is harmless, and r is never negative.
    local k = floor(x * 1.4426950408889634 - 0x1p-40)
    local number = fixed(x < 0.0 and -x or x, size)
    local multiple = scaled(ln2[size], k < 0 and -k or k)
    local r = x < 0.0 and minus(multiple, number) or k < 0 and plus(number, multiple) or minus(number, multiple)
    return fixed_exp(r), k, SLACK
  end)
end

local function exp(x)
  if x ~= x then return x end
  if x > 709.79 then return INFINITY end
  if x < -745.14 then return 0.0 end
  if x > -0x1p-54 and x < 0x1p-54 then return 1.0 end
  if x < -708.0 or x > 709.0 then return accurate_exp(x) end

  local k = x * steps_per_unit + ROUND - ROUND
  local r, r_low = two_sum(x - k * exp_step1, -k * exp_step2)
  r_low = r_low - k * exp_step3
  k = tointeger(k)
  local i = k % EXP_STEPS
  local high = exp_high[i]
  if not high then
    fill_exp(i)
    high = exp_high[i]
  end

  -- exp(r) - 1 = r + r^2/2 + tail
  local square, square_low = two_product(r, r)
  local tail = square * r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040)))))
  local half = 0.5 * square
  local f = r + half
  local f_low = (half - (f - r)) + (0.5 * square_low + (r_low + r * r_low) + tail)

  local product, product_low = two_product(high, f)
  local result = high + product
  local low = (product - (result - high)) + (product_low + (high * f_low + exp_low[i] * (1.0 + f)))
  -- The error is below 2^-77, most of it from the tail.
  local upper = result + (low + 0x1p-72)
  if upper == result + (low - 0x1p-72) then return upper * two_to[k // EXP_STEPS] end
  return accurate_exp(x)
end

---------------------------------------------------------------------------------------------------------------------
-- log

-- log(m 2^e) = e ln 2 - log(c) + log(1 + z), with 1 + z = m c, for a c near to 1/m that depends on 8 bits of m.
local LOG_STEPS <const> = 256
local ln2_high, ln2_low = three_parts(ln2[8], 0x1p-42, 0x1p-95)

local log_factor, log_high, log_low = {}, {}, {}
local function fill_log(i)
  local c = 1.0 / (1.0 + (i + 0.5) / LOG_STEPS)
  if i >= LOG_STEPS // 2 then c = c * 2.0 end
  if i == 0 or i == LOG_STEPS - 1 then c = 1.0 end
  log_factor[i] = c
  if c >= 1.0 then
    local high, low = pair(fixed_log(c, 8))
    log_high[i], log_low[i] = 0.0 - high, 0.0 - low
  else
    log_high[i], log_low[i] = pair(minus(ln2[8], fixed_log(2.0 * c, 8)))
  end
end

local function accurate_log(x)
  local m, e = split(x)
  if e >= 0 then
    return settled(function(size)
      return plus(scaled(ln2[size], e), fixed_log(m, size)), 0, SLACK
    end)
  end
  return -settled(function(size)
    return minus(scaled(ln2[size], -e), fixed_log(m, size)), 0, SLACK
  end)
end

local function log(x)
  if x ~= x or x == INFINITY then return x end
  if x < 0.0 then return NAN end
  if x == 0.0 then return -INFINITY end
  if x == 1.0 then return 0.0 end

  local m, e = split(x)
  local i = floor((m - 1.0) * LOG_STEPS)
  if i >= LOG_STEPS // 2 then m, e = m * 0.5, e + 1 end
  local c = log_factor[i]
  if not c then
    fill_log(i)
    c = log_factor[i]
  end
  local p, p_low = two_product(m, c)
  local z, z_low = two_sum(p - 1.0, p_low)

  -- log(1 + z) = z - z^2/2 + tail
  local square, square_low = two_product(z, z)
  local tail = square * z * (1 / 3 - z * (1 / 4 - z * (1 / 5 - z * (1 / 6 - z * (1 / 7
    - z * (1 / 8 - z * (1 / 9 - z * (1 / 10))))))))
  local half = -0.5 * square
  local f = z + half
  local f_low = (half - (f - z)) + (z_low - z * z_low - 0.5 * square_low + tail)

  local whole, whole_low = two_sum(e * ln2_high, log_high[i])
  local result, low = two_sum(whole, f)
  low = low + (whole_low + (f_low + (log_low[i] + e * ln2_low)))
  -- The relative error is below 2^-67, most of it from the tail where log(c) is 0 and z near to 2^-8.
  local slack = result * 0x1p-65
  local upper = result + (low + slack)
  if upper == result + (low - slack) then return upper end
  return accurate_log(x)
end

---------------------------------------------------------------------------------------------------------------------
-- sin and cos

-- sin(x) = sin(k pi/256) cos(r) + cos(k pi/256) sin(r), |r| < 0.0062.
local QUARTER <const> = 128 -- steps of pi/256 in a quarter of the circle
local CIRCLE <const> = 4 * QUARTER
local steps_per_radian = QUARTER / rounded(half_pi[8], 0)
local sin_step1, sin_step2, sin_step3 = three_parts(divided(half_pi[8], QUARTER), 0x1p-48, 0x1p-90)

local sin_high, sin_low = {}, {}
local function fill_sin(i)
  local steps = i % (2 * QUARTER)
  if steps > QUARTER then steps = 2 * QUARTER - steps end
  local high, low = pair(fixed_wave(divided(scaled(half_pi[8], steps), QUARTER), 1))
  if i >= 2 * QUARTER then high, low = 0.0 - high, 0.0 - low end
  sin_high[i], sin_low[i] = high, low
end

-- sin(x + quarters pi/2), where quarters is 0 or 1.
local function accurate_sin(x, quarters)
  local number = fixed(x < 0.0 and -x or x, 8)
  -- |x| = k pi/2 + r with 0 <= r <= pi/2. The first k may be one too large.
  local k = floor((x < 0.0 and -x or x) * 0.6366197723675814 + 0x1p-40)
  if minus(number, scaled(half_pi[8], k))[1] < 0 then k = k - 1 end
  local turn = (k + quarters) % 4
  local result = settled(function(size)
    local r = minus(fixed(x < 0.0 and -x or x, size), scaled(half_pi[size], k))
    return fixed_wave(r, turn % 2 == 0 and 1 or 0), 0, SLACK
  end)
  local negative = (turn >= 2) ~= (x < 0.0 and quarters == 0)
  return negative and -result or result
end

-- sin(x + quarters pi/2), for 2^-27 < |x| <= 8
local function wave(x, quarters)
  local k = x * steps_per_radian + ROUND - ROUND
  local r, r_low = two_sum(x - k * sin_step1, -k * sin_step2)
  r, r_low = two_sum(r, r_low - k * sin_step3)
  local i = (tointeger(k) + quarters * QUARTER) % CIRCLE
  local j = (i + QUARTER) % CIRCLE
  if not sin_high[i] then fill_sin(i) end
  if not sin_high[j] then fill_sin(j) end
  local s, c = sin_high[i], sin_high[j]

  local square, square_low = two_product(r, r)
  -- sin(r) = r + sine_low
  local sine_low = r_low - r * square * (1 / 6 - square * (1 / 120 - square * (1 / 5040 - square * (1 / 362880))))
  -- cos(r) - 1 = fall + fall_low
  local fall = -0.5 * square
  local fall_low = -0.5 * square_low - r * r_low
    + square * square * (1 / 24 - square * (1 / 720 - square * (1 / 40320)))

  local p, p_low = two_product(c, r)
  local q, q_low = two_product(s, fall)
  local sum, sum_low = two_sum(s, p)
  local result, low = two_sum(sum, q)
  low = low + (sum_low + (p_low + q_low + (sin_low[i] + (c * sine_low + sin_low[j] * r + s * fall_low))))
  -- The relative error is below 2^-66, most of it from r^3/6 where s is 0.
  local slack = result * 0x1p-65
  local upper = result + (low + slack)
  if upper == result + (low - slack) then return upper end
  return accurate_sin(x, quarters)
end

local function sin(x)
  if x ~= x or x > -0x1p-26 and x < 0x1p-26 then return x end
  return wave(x, 0)
end

local function cos(x)
  if x ~= x then return x end
  if x > -0x1p-27 and x < 0x1p-27 then return 1.0 end
  return wave(x, 1)
end

---------------------------------------------------------------------------------------------------------------------
-- pow

-- 1/sqrt(m) for 1 <= m < 4, by Newton's iteration from below: at most 8 units off.
local function inverse_root(m, size)
  local number, y = fixed(m, size), fixed(1.0 / sqrt(m) * (1.0 - 0x1p-50), size)
  local right_bits = 48
  while right_bits < LIMB * size do
    local rest = minus(fixed(1.0, size), times(number, times(y, y)))
    if rest[1] < 0 then break end
    y = plus(y, divided(times(y, rest), 2))
    right_bits = 2 * right_bits
  end
  return y
end

-- Numbers from 1 to 2 with an exponent and an error in units, which stays 0 as long as nothing is cut off.
local function multiplied(a, a_exponent, a_slack, b, b_exponent, b_slack)
  local number, lost = times(a, b)
  local exponent, slack = a_exponent + b_exponent, 2 * (a_slack + b_slack)
  if slack > 0 or lost then slack = slack + 2 end
  if number[1] > 1 then
    if slack > 0 or number[#number] & 1 == 1 then slack = slack // 2 + 2 end
    number, exponent = divided(number, 2), exponent + 1
  end
  return number, exponent, slack
end

-- x^(n/2) for x > 0. Short powers, which may be half-way between two doubles, stay exact.
local function accurate_pow(x, n)
  local m, e = split(x)
  local power = n < 0 and -n or n
  local exact_base -- that is, x or its root, if the power can be exact
  if n % 2 == 0 and (n > 0 or m == 1.0) then
    power, exact_base = power // 2, m
  else
    if e % 2 == 1 then m, e = 2.0 * m, e - 1 end
    e = e // 2
    local root = sqrt(m)
    local square, square_low = two_product(root, root)
    if square == m and square_low == 0.0 and (n > 0 or root == 1.0) then exact_base = root end
  end

  return settled(function(size)
    local base, base_exponent, base_slack
    if exact_base then
      base, base_exponent, base_slack = fixed(exact_base, size), n < 0 and -e or e, 0
    elseif n > 0 then
      base, base_exponent, base_slack = times(fixed(m, size), inverse_root(m, size)), e, 40
    else
      base, base_exponent, base_slack = scaled(inverse_root(m, size), 2), -e - 1, 16
    end
    local number, number_exponent, slack = base, base_exponent, base_slack
    local bit = 1
    while bit * 2 <= power do bit = bit * 2 end
    while bit > 1 do
      bit = bit // 2
      number, number_exponent, slack =
        multiplied(number, number_exponent, slack, number, number_exponent, slack)
      if power & bit ~= 0 then
        number, number_exponent, slack =
          multiplied(number, number_exponent, slack, base, base_exponent, base_slack)
      end
    end
    return number, number_exponent, slack
  end)
end

-- The product of two pairs near 1.
local function pair_product(a, a_low, b, b_low)
  local p, p_low = two_product(a, b)
  p_low = p_low + (a * b_low + a_low * b)
  local high = p + p_low
  return high, p_low - (high - p)
end

-- x^(n/2) for x > 0, finite.
local function positive_pow(x, n)
  local m, e = split(x)
  local high, low = m, 0.0
  local power = n < 0 and -n or n
  if power % 2 == 0 then
    power = power // 2
  else
    if e % 2 == 1 then m, e = 2.0 * m, e - 1 end
    high, e = sqrt(m), e // 2
    local square, square_low = two_product(high, high)
    low = (m - square - square_low) / (2.0 * high)
  end

  local base, base_low, exponent = high, low, e
  local bit = 1
  while bit * 2 <= power do bit = bit * 2 end
  while bit > 1 do
    bit = bit // 2
    high, low = pair_product(high, low, high, low)
    exponent = 2 * exponent
    if power & bit ~= 0 then
      high, low = pair_product(high, low, base, base_low)
      exponent = exponent + e
    end
    if high >= 4.0 then high, low, exponent = high * 0.25, low * 0.25, exponent + 2 end
    if high >= 2.0 then high, low, exponent = high * 0.5, low * 0.5, exponent + 1 end
  end
  if n < 0 then
    local inverse = 1.0 / high
    local p, p_low = two_product(inverse, high)
    high, low, exponent = inverse, ((1.0 - p) - p_low - inverse * low) * inverse, -exponent
  end
  -- The relative error is below 2^-85: each of at most 8,192 factors brings less than 2^-98.
  local slack = high * 0x1p-75
  local upper = high + (low + slack)
  if upper == high + (low - slack) and exponent > -1020 and exponent < 1020 then
    return upper * two_to[exponent]
  end
  return accurate_pow(x, n)
end

-- For y a multiple of 0.5.
local function pow(x, y)
  if y == 2.0 then return x * x end
  if y == 0.5 and x > 0.0 then return sqrt(x) end
  if y == -1.0 then return 1.0 / x end
  if y == 1.0 then return x end
  if y == 0.0 or x == 1.0 then return 1.0 end
  if x ~= x then return x end
  local n = tointeger(2.0 * y)
  local odd = n % 4 == 2 -- y is an odd integer
  if x == 0.0 or x == INFINITY or x == -INFINITY then
    local grows = (x == 0.0) == (y < 0.0)
    local negative = odd and 1.0 / x < 0.0 or odd and x < 0.0
    local size = grows and INFINITY or 0.0
    return negative and -size or size
  end
  if x > 0.0 then return positive_pow(x, n) end
  if n % 2 == 1 then return NAN end
  local size = positive_pow(-x, n)
  return odd and -size or size
end

return { exp = exp, log = log, sin = sin, cos = cos, pow = pow }
