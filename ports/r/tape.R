# The autograd (SPEC, section 5). A node is a number into the tape's vectors; functions take and give whole vectors of
# nodes. Each node is a sum of products, left times right, or a function of its left child with a local gradient.

tape <- function(leaves) {
  value <- leaves
  size <- parameters <- length(leaves)
  product <- logical(size) # is the local gradient of one side the value of the other?
  local <- numeric(size)
  left <- right <- children <- vector("list", size)

  # R is lazy: an argument may be an expression that still has to push its nodes, and must do so first.
  values_of <- function(nodes) {
    force(nodes)
    value[nodes]
  }

  push <- function(values, is_product, slope, lefts, rights, below) {
    force(values)
    new <- size + seq_along(values)
    size <<- size + length(values)
    if (size > length(value)) {
      room <- 2 * size
      length(value) <<- length(product) <<- length(local) <<- room
      length(left) <<- length(right) <<- length(children) <<- room
    }
    value[new] <<- values
    product[new] <<- is_product
    local[new] <<- slope
    left[new] <<- lefts
    right[new] <<- rights
    children[new] <<- below
    new
  }

  none <- list(NULL)
  leaf <- function(x) push(x, FALSE, 0, none, none, none)
  unary <- function(a, values, slope) push(values, FALSE, slope, as.list(a), none, as.list(a))
  binary <- function(a, b, values, is_product) {
    push(values, is_product, 1, as.list(a), as.list(b), Map(c, a, b, USE.NAMES = FALSE))
  }

  add <- function(a, b) binary(a, b, values_of(a) + values_of(b), FALSE)
  mul <- function(a, b) binary(a, b, values_of(a) * values_of(b), TRUE)
  shift <- function(a, c) unary(a, values_of(a) + c, 1)
  scale <- function(a, c) unary(a, values_of(a) * c, c)
  neg <- function(a) scale(a, -1)
  power <- function(a, c) unary(a, pow(values_of(a), c), c * pow(values_of(a), c - 1))
  log <- function(a) unary(a, exact_log(values_of(a)), 1 / values_of(a))
  exp <- function(a) {
    y <- exact_exp(values_of(a))
    unary(a, y, y)
  }
  relu <- function(a) {
    positive <- values_of(a) > 0 & !is.na(values_of(a))
    unary(a, ifelse(positive, values_of(a), 0), as.numeric(positive))
  }

  # A sum for each column of the matrix a, as one node: no operand occurs twice, and none lies below another.
  # Sums run from the left, over the rows; R's own sum, crossprod and %*% add in an order of theirs.
  sums <- function(a) {
    total <- 0
    for (i in seq_len(nrow(a))) total <- total + values_of(a[i, ])
    operands <- asplit_columns(a)
    push(total, FALSE, 1, operands, none, operands)
  }

  # A dot product for each column of a and b, likewise. An operand may be its own factor.
  dots <- function(a, b) {
    total <- 0
    for (i in seq_len(nrow(a))) total <- total + values_of(a[i, ]) * values_of(b[i, ])
    woven <- array(rbind(c(a), c(b)), c(2 * nrow(a), ncol(a)))
    push(total, TRUE, 0, asplit_columns(a), asplit_columns(b), asplit_columns(woven))
  }

  # The dot products of x with the rows of a matrix of parameters. These are leaves, which the walk may pass over.
  linear <- function(weights, x) {
    total <- 0
    for (i in seq_along(x)) total <- total + values_of(weights$columns[[i]]) * values_of(x[i])
    operands <- list(x)
    push(total, TRUE, 0, weights$rows, operands, operands)
  }

  # The nodes below the root, in depth-first post-order.
  order <- function(root) {
    seen <- logical(size)
    found <- stack <- place <- integer(size)
    count <- 0L
    depth <- 1L
    stack[1L] <- root
    place[1L] <- 1L
    seen[root] <- TRUE
    while (depth > 0L) {
      below <- children[[stack[depth]]]
      last <- length(below)
      i <- place[depth]
      while (i <= last && seen[below[i]]) i <- i + 1L
      if (i > last) {
        count <- count + 1L
        found[count] <- stack[depth]
        depth <- depth - 1L
      } else {
        place[depth] <- i + 1L
        depth <- depth + 1L
        stack[depth] <- below[i]
        place[depth] <- 1L
        seen[below[i]] <- TRUE
      }
    }
    found[seq_len(count)]
  }

  # The gradient of each node. No node but a product with itself has a child twice, and that is once on either side.
  backward <- function(root) {
    gradient <- numeric(size)
    gradient[root] <- 1
    for (i in rev(order(root))) {
      a <- left[[i]]
      if (is.null(a)) next
      b <- right[[i]]
      g <- gradient[i]
      if (product[i]) {
        gradient[a] <- gradient[a] + value[b] * g
        gradient[b] <- gradient[b] + value[a] * g
      } else {
        g <- local[i] * g
        gradient[a] <- gradient[a] + g
        if (!is.null(b)) gradient[b] <- gradient[b] + g
      }
    }
    gradient
  }

  # Forgets all but the parameters, which may be new.
  restart <- function(values = value[seq_len(parameters)]) {
    size <<- parameters
    value[seq_len(parameters)] <<- values
  }

  list(leaf = leaf, unary = unary, add = add, mul = mul, shift = shift, scale = scale, neg = neg, power = power,
       log = log, exp = exp, relu = relu, sums = sums, dots = dots, linear = linear, backward = backward,
       restart = restart, values = values_of)
}

asplit_columns <- function(a) lapply(seq_len(ncol(a)), function(j) a[, j])
