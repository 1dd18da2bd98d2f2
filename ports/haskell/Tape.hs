{-# LANGUAGE RecordWildCards #-}

-- | Automatic differentiation for the model: instructions that stand for many nodes of the graph of SPEC,
-- section 5, each with its way forward and its way back.
--
-- A program is a plain list of instructions. Forward goes through it from the front, backward from the back.
-- Every number of the program has a slot in two arrays: the values and the gradients.
--
-- The bits of a gradient depend on the order of its additions. An instruction goes through its nodes, on the
-- way back, from the last to the first, wherever two of them add to the same gradient. The order of the
-- instructions is the business of whoever writes the program.
--
-- Why one instruction may stand for a chain of additions ((0 + x0) + x1) + …: each node in it has a single
-- consumer, which multiplies by 1, so all products of a dot product see the gradient of the result. It may be
-- -0.0 here and +0.0 there, but what is added to a gradient may be either: a gradient starts at +0.0 and
-- never becomes -0.0.
module Tape
  ( Instruction (..)
  , Rows (..)
  , forward
  , backward
  ) where

import Control.Monad.ST (ST)
import Data.Array.Base (UArray, numElements, unsafeAt)
import Functions
import Numbers

data Instruction
  = -- | Element by element.
    Sum {result :: !Span, left, right :: !Slot}
  | Scaled {result :: !Span, input :: !Slot, factor :: !Double}
  | Relu {result :: !Span, input :: !Slot}
  | SquaredRelu {result :: !Span, input :: !Slot}
  | -- | The vector times a scale, its mean square (and a little more) to the power -1/2.
    Rmsnorm {result :: !Span, input :: !Slot, meanSquare, scale :: !Slot}
  | -- | Rows of a matrix times a vector.
    Linear {result :: !Span, weights :: !Slot, vector :: !Span}
  | -- | The products of a query with the rows of the attended positions, times a factor.
    Scores {result :: !Span, query :: !Slot, width :: !Int, attended :: !Rows, factor :: !Double}
  | -- | exp (x - greatest x), their total, and the quotients.
    Softmax {result :: !Span, exps, total, input :: !Slot}
  | -- | The sum of the rows of the attended positions, each times its weight.
    Mixture {result :: !Span, mixing :: !Slot, attended :: !Rows}
  | -- | Minus the logarithm of the target's probability, a quotient of a softmax. The other quotients are
    -- there to be looked at: they do not lead on.
    Surprise {loss, exps, total, input :: !Slot, probabilities :: !Span, target :: !Int}
  | Mean {loss :: !Slot, losses :: !Span}

-- | Rows of a matrix, chosen by number: where row 0 begins, how far it is from one to the next, and the
-- numbers.
data Rows = Rows
  { origin :: !Slot
  , stride :: !Int
  , chosen :: !(UArray Int Int)
  }

rowCount :: Rows -> Int
rowCount = numElements . chosen

-- | The beginning of the k-th chosen row.
row :: Rows -> Int -> Slot
row rows k = origin rows +> stride rows * unsafeAt (chosen rows) k
{-# INLINE row #-}

-- * Forward

-- | Compute the results from the values before.
forward :: Math -> Numbers s -> Instruction -> ST s ()
forward math values instruction = case instruction of
  Sum {..} -> upTo (size result) $ \i -> do
    a <- get values (left +> i)
    b <- get values (right +> i)
    put values (start result +> i) (a + b)
  Scaled {..} -> upTo (size result) $ \i -> do
    x <- get values (input +> i)
    put values (start result +> i) (x * factor)
  Relu {..} -> upTo (size result) $ \i -> do
    x <- get values (input +> i)
    put values (start result +> i) (relu x)
  SquaredRelu {..} -> upTo (size result) $ \i -> do
    x <- get values (input +> i)
    put values (start result +> i) (squareOf math (relu x))
  Rmsnorm {..} -> do
    squares <- sumUpTo (size result) $ \i -> do
      x <- get values (input +> i)
      pure (x * x)
    let !mean = squares * reciprocalOf math (size result) + 1e-5
        !scaling = powOf math mean (-0.5)
    put values meanSquare mean
    put values scale scaling
    upTo (size result) $ \i -> do
      x <- get values (input +> i)
      put values (start result +> i) (x * scaling)
  Linear {..} -> linear values result weights vector
  Scores {..} -> upTo (size result) $ \k -> do
    dot <- dotProduct values query (row attended k) width
    put values (start result +> k) (dot * factor)
  Softmax {..} -> do
    exponentials math values (Span exps (size result)) total input
    quotients math values result exps total
  Mixture {..} -> upTo (size result) $ \j -> do
    mixed <- sumUpTo (rowCount attended) $ \k -> do
      weight <- get values (mixing +> k)
      x <- get values (row attended k +> j)
      pure (weight * x)
    put values (start result +> j) mixed
  Surprise {..} -> do
    exponentials math values (Span exps (size probabilities)) total input
    quotients math values probabilities exps total
    p <- get values (start probabilities +> target)
    put values loss (logOf math p * (-1))
  Mean {..} -> do
    sum' <- sumUpTo (size losses) (\i -> get values (start losses +> i))
    put values loss (sum' * (1 / fromIntegral (size losses)))

relu :: Double -> Double
relu x = if x > 0 then x else 0

-- | What dividing by a count multiplies by.
reciprocalOf :: Math -> Int -> Double
reciprocalOf math count = powOf math (fromIntegral count) (-1)

dotProduct :: Numbers s -> Slot -> Slot -> Int -> ST s Double
dotProduct values a b width = sumUpTo width $ \j -> do
  x <- get values (a +> j)
  y <- get values (b +> j)
  pure (x * y)
{-# INLINE dotProduct #-}

exponentials :: Math -> Numbers s -> Span -> Slot -> Slot -> ST s ()
exponentials math values (Span exps count) total input = do
  top <- get values input >>= greatest 1
  upTo count $ \i -> do
    x <- get values (input +> i)
    put values (exps +> i) (expOf math (x + negate top))
  sum' <- sumUpTo count (\i -> get values (exps +> i))
  put values total sum'
  where
    greatest !i !top
      | i >= count = pure top
      | otherwise = do
          x <- get values (input +> i)
          greatest (i + 1) (if x > top then x else top)

quotients :: Math -> Numbers s -> Span -> Slot -> Slot -> ST s ()
quotients math values (Span result count) exps total = do
  divisor <- get values total
  let !inverse = powOf math divisor (-1)
  upTo count $ \i -> do
    e <- get values (exps +> i)
    put values (result +> i) (e * inverse)

-- | Four rows at a time: each is summed from the left, and while the processor waits for one sum it works on
-- the others.
linear :: Numbers s -> Span -> Slot -> Span -> ST s ()
linear values (Span result count) weights (Span x width) = go 0
  where
    go i
      | i + 4 <= count = four i >> go (i + 4)
      | i < count = one i >> go (i + 1)
      | otherwise = pure ()
    one i = dotProduct values (weights +> i * width) x width >>= put values (result +> i)
    four i = sums 0 (weights +> i * width) zero zero zero zero
      where
        sums j w a b c d
          | j >= width = do
              put values (result +> i) a
              put values (result +> i +> 1) b
              put values (result +> i +> 2) c
              put values (result +> i +> 3) d
          | otherwise = do
              xj <- get values (x +> j)
              wa <- get values w
              wb <- get values (w +> width)
              wc <- get values (w +> 2 * width)
              wd <- get values (w +> 3 * width)
              sums (j + 1) (w +> 1) (a + wa * xj) (b + wb * xj) (c + wc * xj) (d + wd * xj)

-- * Backward

-- | Add to the gradients of what the instruction took, given the gradients of its results.
backward :: Math -> Numbers s -> Numbers s -> Instruction -> ST s ()
backward math values gradients instruction = case instruction of
  Sum {..} -> downFrom (size result) $ \i -> do
    g <- get gradients (start result +> i)
    add gradients (left +> i) g
    add gradients (right +> i) g
  Scaled {..} -> downFrom (size result) $ \i -> do
    g <- get gradients (start result +> i)
    add gradients (input +> i) (factor * g)
  Relu {..} -> downFrom (size result) $ \i -> do
    g <- get gradients (start result +> i)
    x <- get values (input +> i)
    add gradients (input +> i) (slope x * g)
  SquaredRelu {..} -> downFrom (size result) $ \i -> do
    g <- get gradients (start result +> i)
    x <- get values (input +> i)
    add gradients (input +> i) (slope x * ((2 * powOf math (relu x) 1) * g))
  Rmsnorm {..} -> do
    scaling <- get values scale
    downFrom (size result) $ \i -> do
      g <- get gradients (start result +> i)
      x <- get values (input +> i)
      add gradients (input +> i) (scaling * g)
      add gradients scale (x * g)
    g <- get gradients scale
    mean <- get values meanSquare
    let squares = reciprocalOf math (size result) * ((-0.5 * powOf math mean (-1.5)) * g)
    downFrom (size result) $ \i -> do
      x <- get values (input +> i)
      add gradients (input +> i) (x * squares) -- once for each factor of the square
      add gradients (input +> i) (x * squares)
  Linear {..} -> linearBack values gradients result weights vector
  Scores {..} -> downFrom (size result) $ \k -> do
    g <- (factor *) <$> get gradients (start result +> k)
    dotBack values gradients query (row attended k) width g
  Softmax {..} -> do
    quotientsBack math values gradients result exps total
    exponentialsBack values gradients (Span exps (size result)) total input
  Mixture {..} -> downFrom (size result) $ \j -> do
    g <- get gradients (start result +> j)
    downFrom (rowCount attended) $ \k -> do
      let element = row attended k +> j
      weight <- get values (mixing +> k)
      x <- get values element
      add gradients (mixing +> k) (x * g)
      add gradients element (weight * g)
  Surprise {..} -> do
    g <- get gradients loss
    p <- get values (start probabilities +> target)
    add gradients (start probabilities +> target) ((1 / p) * (g * (-1)))
    quotientsBack math values gradients (slice target 1 probabilities) (exps +> target) total
    exponentialsBack values gradients (Span exps (size probabilities)) total input
  Mean {..} -> do
    g <- ((1 / fromIntegral (size losses)) *) <$> get gradients loss
    downFrom (size losses) (\i -> add gradients (start losses +> i) g)

slope :: Double -> Double
slope x = if x > 0 then 1 else 0

-- | A quotient is a product with a power of its own, divisor^-1.
quotientsBack :: Math -> Numbers s -> Numbers s -> Span -> Slot -> Slot -> ST s ()
quotientsBack math values gradients (Span result count) exps total = do
  divisor <- get values total
  let !inverse = powOf math divisor (-1)
      !derivative = -1 * powOf math divisor (-2)
  downFrom count $ \i -> do
    g <- get gradients (result +> i)
    e <- get values (exps +> i)
    add gradients (exps +> i) (inverse * g)
    add gradients total (derivative * (e * g))

exponentialsBack :: Numbers s -> Numbers s -> Span -> Slot -> Slot -> ST s ()
exponentialsBack values gradients (Span exps count) total input = do
  g <- get gradients total
  downFrom count $ \i -> do
    add gradients (exps +> i) g
    e <- get values (exps +> i)
    ge <- get gradients (exps +> i)
    add gradients (input +> i) (e * ge)

-- | What a dot product with the gradient g passes on to its two vectors.
dotBack :: Numbers s -> Numbers s -> Slot -> Slot -> Int -> Double -> ST s ()
dotBack values gradients a b width g = upTo width $ \j -> do
  x <- get values (a +> j)
  y <- get values (b +> j)
  add gradients (a +> j) (y * g)
  add gradients (b +> j) (x * g)
{-# INLINE dotBack #-}

-- | From the last row to the first, four at a time: a gradient of the vector is fetched and stored once for
-- four additions.
linearBack :: Numbers s -> Numbers s -> Span -> Slot -> Span -> ST s ()
linearBack values gradients (Span result count) weights (Span x width) = go count
  where
    go above
      | above >= 4 = four (above - 4) >> go (above - 4)
      | above > 0 = one (above - 1) >> go (above - 1)
      | otherwise = pure ()
    one i = get gradients (result +> i) >>= dotBack values gradients x (weights +> i * width) width
    four i = do
      ga <- get gradients (result +> i)
      gb <- get gradients (result +> i +> 1)
      gc <- get gradients (result +> i +> 2)
      gd <- get gradients (result +> i +> 3)
      upTo width $ \j -> do
        let w = weights +> i * width +> j
        xj <- get values (x +> j)
        wa <- get values w
        wb <- get values (w +> width)
        wc <- get values (w +> 2 * width)
        wd <- get values (w +> 3 * width)
        add gradients w (xj * ga)
        add gradients (w +> width) (xj * gb)
        add gradients (w +> 2 * width) (xj * gc)
        add gradients (w +> 3 * width) (xj * gd)
        gx <- get gradients (x +> j)
        put gradients (x +> j) ((((gx + wd * gd) + wc * gc) + wb * gb) + wa * ga)
