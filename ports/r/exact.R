# exp, log, sin, cos and pow of whole vectors: the doubles nearest to the true values, found with integers alone.

as.bigz <- gmp::as.bigz
power_of_two <- function(n) as.bigz(2)^n

# Finite numbers other than 0, as integers m and exponents e: x is m * 2^e.
dissect <- function(x) {
  e <- pmax(floor(log2(abs(x))) - 53, -1074)
  half <- -e %/% 2 # 2^1074 is no double, but its root is
  list(m = x * 2^half * 2^(-e - half), e = e)
}

# The doubles nearest to m * 2^e, ties to even, rounded once at the last place that they have.
# Each m is 0 or has more than 54 bits.
round_to_double <- function(m, e) {
  magnitude <- abs(m)
  size <- gmp::sizeinbase(magnitude, 2)
  last <- pmax(size + e - 53, -1074)
  drop <- pmin(last - e, size + 2)
  unit <- power_of_two(drop)
  kept <- magnitude %/% unit
  twice <- (magnitude - kept * unit) * 2
  up <- as.vector(twice > unit) | (as.vector(twice == unit) & as.vector(kept %% 2 == 1))
  ifelse(as.vector(m < 0), -1, 1) * (as.double(kept) + up) * 2^last
}

# Below, a number in fixed point is an integer that stands for itself / 2^bits.
fixed <- function(parts, bits) as.bigz(parts$m) * power_of_two(parts$e + bits)

# Rounds value(bits) * 2^scale. It is off by less than 2^24 units of its last place (2^17, by a generous count).
# If the ends of that interval do not round alike, it takes more bits.
nearest <- function(value, scale = 0, bits = 128) {
  repeat {
    middle <- value(bits)
    low <- round_to_double(middle - 2^24, scale - bits)
    high <- round_to_double(middle + 2^24, scale - bits)
    if (all(low == high)) return(low)
    bits <- 2 * bits
  }
}

# Adds what part(term, n) makes of the terms, until they vanish; following(term, n) is the term after n, n + step.
series <- function(term, n, step, part, following) {
  total <- term * 0
  while (any(gmp::sizeinbase(term, 2) > 1)) {
    total <- total + part(term, n)
    term <- following(term, n)
    n <- n + step
  }
  total
}

as_it_is <- function(term, n) term
over_n <- function(term, n) term %/% n

# A constant, computed once for each precision, with 16 bits to spare.
constant <- function(compute) {
  known <- list()
  function(bits) {
    key <- sprintf("%d", bits)
    if (is.null(known[[key]])) known[[key]] <<- compute(bits + 16) %/% 2^16
    known[[key]]
  }
}

# The sum of sign^k / ((2k + 1) n^(2k + 1)): artanh of 1/n for sign 1, arctan of 1/n for -1.
inverse_arc <- function(sign, n, bits) {
  series(power_of_two(bits) %/% n, 1, 2, over_n, function(term, k) term %/% (sign * n^2))
}
ln2 <- constant(function(bits) inverse_arc(1, 3, bits) * 2)
half_pi <- constant(function(bits) inverse_arc(-1, 5, bits) * 8 - inverse_arc(-1, 239, bits) * 2)

# The special values, where which(ordinary) is not, and the ordinary ones.
where <- function(ordinary, special, compute, x) {
  special[is.na(x)] <- NaN
  chosen <- which(ordinary)
  if (length(chosen) > 0) special[chosen] <- compute(x[chosen])
  special
}

exact_exp <- function(x) {
  compute <- function(x) {
    parts <- dissect(x)
    k <- round(x / log(2))
    halvings <- 12
    nearest(scale = k, value = function(bits) {
      one <- power_of_two(bits)
      r <- (fixed(parts, bits) - ln2(bits) * k) %/% 2^halvings
      y <- series(one + r * 0, 1, 1, as_it_is, function(term, n) (term * r) %/% (one * n))
      for (i in seq_len(halvings)) y <- (y * y) %/% one
      y
    })
  }
  limits <- ifelse(x > 710, Inf, ifelse(x < -746, 0, 1))
  where(abs(x) >= 2^-54 & x <= 710 & x >= -746, limits, compute, x)
}

exact_log <- function(x) {
  compute <- function(x) {
    parts <- dissect(x)
    k <- round(log2(x)) # so that x / 2^k lies around 1
    parts$e <- parts$e - k
    nearest(function(bits) {
      one <- power_of_two(bits)
      m <- fixed(parts, bits)
      z <- ((m - one) * one) %/% (m + one)
      square <- (z * z) %/% one
      series(z, 1, 2, over_n, function(term, n) (term * square) %/% one) * 2 + ln2(bits) * k
    })
  }
  limits <- ifelse(x < 0, NaN, ifelse(x == 0, -Inf, ifelse(x == 1, 0, Inf)))
  where(x > 0 & x < Inf & x != 1, limits, compute, x)
}

# sin(x + quarters * pi/2) for |x| <= 8, where that is not too near to the limits.
wave <- function(x, quarters, ordinary, limits) {
  compute <- function(x) {
    parts <- dissect(x)
    turns <- round(x / (pi / 2))
    quadrant <- (turns + quarters) %% 4
    nearest(function(bits) {
      one <- power_of_two(bits)
      r <- fixed(parts, bits) - half_pi(bits) * turns
      square <- (r * r) %/% one
      alternating <- function(term, n) (term * square) %/% (one * (-(n + 1) * (n + 2)))
      y <- series(r, 1, 2, as_it_is, alternating)
      cosine <- which(quadrant %% 2 == 1)
      if (length(cosine) > 0) y[cosine] <- series(one + r * 0, 0, 2, as_it_is, alternating)[cosine]
      y * ifelse(quadrant < 2, 1, -1)
    })
  }
  where(ordinary, limits, compute, x)
}

exact_sin <- function(x) wave(x, 0, abs(x) >= 2^-26, x)
exact_cos <- function(x) wave(x, 1, abs(x) >= 2^-27, rep(1, length(x)))

# Rounded down. Newton's method from above.
integer_root <- function(n) {
  cut <- pmax(gmp::sizeinbase(n, 2) - 52, 0)
  cut <- cut + cut %% 2
  root <- (as.bigz(floor(sqrt(as.double(n %/% power_of_two(cut))))) + 1) * power_of_two(cut / 2)
  repeat {
    better <- (root + n %/% root) %/% 2
    if (all(better >= root)) return(root)
    nearer <- which(as.vector(better < root))
    root[nearer] <- better[nearer]
  }
}

# Finite x > 0 to one integer or half-integer y. A sticky bit at the end says whether anything was left over.
power <- function(x, y) {
  parts <- dissect(x)
  m <- parts$m
  e <- parts$e
  for (zeros in c(32, 16, 8, 4, 2, 1)) {
    even <- m %% 2^zeros == 0
    m[even] <- m[even] / 2^zeros
    e[even] <- e[even] + zeros
  }
  whole <- y %% 1 == 0
  t <- if (whole) y else 2 * y
  e <- e * t
  n <- as.bigz(m)^abs(t)
  size <- gmp::sizeinbase(n, 2)
  shift <- if (t > 0) pmax(132 - size, 0) else 132 + size
  if (!whole) shift <- shift + (e - shift) %% 2 # the exponent under the root must be even
  shifted <- power_of_two(shift)
  value <- if (t > 0) n * shifted else shifted %/% n
  exact <- if (t > 0) TRUE else as.vector(value * n == shifted)
  if (whole) return(round_to_double(value * 2 + !exact, e - shift - 1))
  root <- integer_root(value)
  exact <- exact & as.vector(root * root == value)
  round_to_double(root * 2 + !exact, (e - shift) / 2 - 1)
}

# The square root as pow has it: pow(-0.0, 0.5) is +0.0, pow(-inf, 0.5) is inf.
power_half <- function(x) {
  x[which(x == -Inf)] <- Inf
  suppressWarnings(sqrt(x + 0))
}

# x to one integer or half-integer y.
pow <- function(x, y) {
  if (y == 0) return(rep(1, length(x)))
  if (y == 1) return(x)
  if (y == 2) return(x * x)
  if (y == -1) return(1 / x)
  if (y == 0.5) return(power_half(x))
  limits <- ifelse((x == 0) == (y > 0), 0, Inf)
  limits[which(x < 0 & is.finite(x) & y %% 1 != 0)] <- NaN
  size <- where(is.finite(x) & (x > 0 | x < 0 & y %% 1 == 0), limits, function(x) power(abs(x), y), x)
  if (y %% 2 == 1) ifelse(x < 0 | 1 / x < 0, -size, size) else size # 1 / x tells -0.0 from +0.0
}
