-- | Memory for numbers that change: one array, in which every number has a slot.
--
-- Everything is strict and unboxed. No index is checked here: "Model" and "Network" hand out the slots.
module Numbers
  ( -- * Slots
    Slot (..)
  , (+>)
  , Span (..)
  , slice
    -- * Numbers
  , Numbers
  , newNumbers
  , numbersFrom
  , get
  , put
  , add
  , clear
  , copyOut
    -- * Loops
  , upTo
  , downFrom
  , sumUpTo
    -- * Zero
  , zero
  ) where

import Control.Monad.ST (ST)
import Data.Array.Base (STUArray, UArray, newListArray, unsafeFreeze, unsafeRead, unsafeWrite)
import Data.Array.ST (newArray)

-- | The place of one number.
newtype Slot = Slot Int
  deriving (Eq, Ord)

-- | The place so many further on.
(+>) :: Slot -> Int -> Slot
Slot i +> n = Slot (i + n)
{-# INLINE (+>) #-}

infixl 6 +>

-- | Numbers side by side: a vector.
data Span = Span
  { start :: !Slot
  , size :: !Int
  }

-- | So many numbers of a span, from an index on.
slice :: Int -> Int -> Span -> Span
slice from count vector = Span (start vector +> from) count

type Numbers s = STUArray s Int Double

newNumbers :: Int -> ST s (Numbers s)
newNumbers count = newArray (0, count - 1) 0

-- | So many numbers, of which the first are given.
numbersFrom :: Int -> [Double] -> ST s (Numbers s)
numbersFrom count given = newListArray (0, count - 1) (take count (given ++ repeat 0))

get :: Numbers s -> Slot -> ST s Double
get numbers (Slot i) = unsafeRead numbers i
{-# INLINE get #-}

put :: Numbers s -> Slot -> Double -> ST s ()
put numbers (Slot i) = unsafeWrite numbers i
{-# INLINE put #-}

add :: Numbers s -> Slot -> Double -> ST s ()
add numbers (Slot i) x = do
  old <- unsafeRead numbers i
  unsafeWrite numbers i (old + x)
{-# INLINE add #-}

clear :: Numbers s -> Int -> ST s ()
clear numbers count = upTo count (\i -> unsafeWrite numbers i 0)

-- | A copy of the numbers of a span, which stays as it is.
copyOut :: Numbers s -> Span -> ST s (UArray Int Double)
copyOut numbers (Span from count) = do
  copy <- newNumbers count
  upTo count (\i -> get numbers (from +> i) >>= unsafeWrite copy i)
  unsafeFreeze copy

-- | For 0, 1, … n - 1.
upTo :: Int -> (Int -> ST s ()) -> ST s ()
upTo n action = go 0
  where
    go i
      | i >= n = pure ()
      | otherwise = action i >> go (i + 1)
{-# INLINE upTo #-}

-- | For n - 1, … 1, 0.
downFrom :: Int -> (Int -> ST s ()) -> ST s ()
downFrom n action = go (n - 1)
  where
    go i
      | i < 0 = pure ()
      | otherwise = action i >> go (i - 1)
{-# INLINE downFrom #-}

-- | ((0 + x 0) + x 1) + …, the sum of SPEC, section 5.
sumUpTo :: Int -> (Int -> ST s Double) -> ST s Double
sumUpTo n x = go 0 zero
  where
    go !i !total
      | i >= n = pure total
      | otherwise = do
          term <- x i
          go (i + 1) (total + term)
{-# INLINE sumUpTo #-}

-- | +0.0, where something is to be added to it. GHC simplifies 0 + x to x, which is wrong for x = -0.0: so it
-- must not see that this is a zero.
zero :: Double
zero = 0
{-# OPAQUE zero #-}
