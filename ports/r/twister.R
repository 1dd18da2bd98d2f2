# The random numbers (SPEC, section 3): MT19937 and what is drawn from it. R's own generator is the same, but R's integers
# have 31 bits and a sign, and it seeds and draws differently. Words are doubles here.

xor <- function(a, b) {
  bitwXor(a %/% 65536, b %/% 65536) * 65536 + bitwXor(a %% 65536, b %% 65536)
}

and <- function(a, b) {
  bitwAnd(a %/% 65536, b %/% 65536) * 65536 + bitwAnd(a %% 65536, b %% 65536)
}

multiply <- function(a, b) { # modulo 2^32
  ((a %/% 65536 * b) %% 65536 * 65536 + a %% 65536 * b) %% 2^32
}

temper <- function(y) {
  y <- xor(y, y %/% 2^11)
  y <- xor(y, and((y * 2^7) %% 2^32, 2636928640))
  y <- xor(y, and((y * 2^15) %% 2^32, 4022730752))
  xor(y, y %/% 2^18)
}

# The next 624 words of the state. Each needs the word 397 places on, so three stretches can be made as wholes.
renew <- function(mt) {
  make <- function(i) {
    following <- mt[i %% 624 + 1]
    y <- mt[i] %/% 2^31 * 2^31 + following %% 2^31
    xor(xor(mt[(i + 396) %% 624 + 1], y %/% 2), y %% 2 * 2567483615)
  }
  for (stretch in list(1:227, 228:454, 455:623, 624)) mt[stretch] <- make(stretch)
  mt
}

seeded_words <- function(seed) {
  mt <- numeric(624)
  mixed <- function(i, factor) multiply(xor(mt[i - 1], mt[i - 1] %/% 2^30), factor)
  mt[1] <- 19650218
  for (i in 2:624) mt[i] <- (mixed(i, 1812433253) + i - 1) %% 2^32
  i <- 2
  stir <- function(count, factor, plus) {
    for (round in seq_len(count)) {
      mt[i] <<- (xor(mt[i], mixed(i, factor)) + plus(i)) %% 2^32
      i <<- i + 1
      if (i > 624) {
        mt[1] <<- mt[624]
        i <<- 2
      }
    }
  }
  stir(624, 1664525, function(i) seed)
  stir(623, 1566083941, function(i) 1 - i)
  mt[1] <- 2^31
  mt
}

# A generator is a list of functions around its state.
twister <- function(mt, index = 624, kept = NULL) {
  tempered <- temper(mt)

  words <- function(n) {
    drawn <- numeric(n)
    done <- 0
    while (done < n) {
      if (index == 624) {
        mt <<- renew(mt)
        tempered <<- temper(mt)
        index <<- 0
      }
      count <- min(n - done, 624 - index)
      drawn[done + seq_len(count)] <- tempered[index + seq_len(count)]
      index <<- index + count
      done <- done + count
    }
    drawn
  }

  random <- function(n) {
    pairs <- matrix(words(2 * n), nrow = 2)
    (pairs[1, ] %/% 32 * 67108864 + pairs[2, ] %/% 64) / 9007199254740992
  }

  gauss <- function(n, sigma) {
    first <- if (n > 0) kept
    missing <- n - length(first)
    uniform <- matrix(random(2 * ceiling(missing / 2)), nrow = 2)
    angle <- uniform[1, ] * (2 * pi)
    radius <- sqrt(-2 * exact_log(1 - uniform[2, ]))
    z <- c(first, rbind(exact_cos(angle) * radius, exact_sin(angle) * radius))
    if (n > 0) kept <<- if (length(z) > n) z[n + 1]
    0 + z[seq_len(n)] * sigma
  }

  below <- function(n) {
    unit <- 2^(31 - floor(log2(n)))
    repeat {
      value <- words(1) %/% unit
      if (value < n) return(value)
    }
  }

  # The numbers 1..n in a new order.
  shuffle <- function(n) {
    items <- seq_len(n)
    for (i in rev(items)[-n]) {
      pair <- c(i, below(i) + 1)
      items[pair] <- items[rev(pair)]
    }
    items
  }

  # n indices, from 0, into the weights. cumsum would add in extended precision.
  choices <- function(n, weights) {
    cumulative <- Reduce(`+`, weights, accumulate = TRUE)
    total <- cumulative[length(weights)] + 0
    if (n > 0 && !isTRUE(total > 0 && total < Inf)) refuse("the weights must add up to a finite number above 0")
    u <- random(n) * total
    low <- numeric(n)
    high <- rep(length(weights) - 1, n)
    while (any(low < high)) {
      open <- low < high
      middle <- (low + high) %/% 2
      left <- (u < cumulative[middle + 1]) %in% TRUE
      high <- ifelse(open & left, middle, high)
      low <- ifelse(open & !left, middle + 1, low)
    }
    low
  }

  state <- function() list(index = index, words = mt, kept = kept)
  list(words = words, random = random, gauss = gauss, shuffle = shuffle, choices = choices, state = state)
}
