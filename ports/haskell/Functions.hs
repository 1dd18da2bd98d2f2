-- | The functions that are more than + - * / and the square root, in the two kinds of the protocol: correctly
-- rounded, and the language's own.
module Functions
  ( Math (..)
  , expOf
  , logOf
  , sinOf
  , cosOf
  , powOf
  , squareOf
  , rootOf
  ) where

import Exact

data Math = Exact | Native
  deriving (Eq)

expOf, logOf, sinOf, cosOf :: Math -> Double -> Double
expOf Exact x = exactExp x
expOf Native x = exp x
logOf Exact x = exactLog x
logOf Native x = log x
sinOf Exact x = exactSin x
sinOf Native x = sin x
cosOf Exact x = exactCos x
cosOf Native x = cos x

powOf :: Math -> Double -> Double -> Double
powOf Exact x y = exactPow x y
powOf Native x y = x ** y

-- | The powers 2 and 1/2, for the many calls of an optimizer.
squareOf, rootOf :: Math -> Double -> Double
squareOf Exact x = x * x
squareOf Native x = x ** 2
rootOf Exact x = exactRoot x
rootOf Native x = x ** 0.5
{-# INLINE squareOf #-}
{-# INLINE rootOf #-}
