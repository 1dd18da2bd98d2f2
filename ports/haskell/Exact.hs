{-# LANGUAGE HexFloatLiterals #-}

-- | Correctly rounded exp, log, sin, cos and pow: the double nearest to the true value, whatever the C
-- library thinks. conformance/SPEC.md says in section 15 why this works, and in section 2 what is wanted at
-- the edges.
--
-- Each function is computed as a sum of two doubles, with 12 bits or more behind the last one of a double,
-- and rounded if they settle the matter. Once in a thousand calls or more they do not, and "Accurate"
-- answers. The tables come from there too, on first use.
--
-- In the error bounds u is 2^-53, the greatest relative error of one rounded operation.
module Exact
  ( exactExp
  , exactLog
  , exactSin
  , exactCos
  , exactPow
  , exactRoot
  ) where

import Accurate
import Data.Array.Base (unsafeAt)
import Data.Array.Unboxed (UArray, listArray)
import Data.Bits (shiftL, shiftR, (.&.), (.|.))
import GHC.Float (castDoubleToWord64, castWord64ToDouble, double2Int, int2Double)

-- * Sums of two doubles

-- | The number hi + lo, where lo is about an ulp of hi or less.
data Pair = Pair !Double !Double

-- | a + b without error, if |a| >= |b| or a is 0 (Dekker, 1971).
orderedSum :: Double -> Double -> Pair
orderedSum a b = Pair s (b - (s - a))
  where
    s = a + b
{-# INLINE orderedSum #-}

-- | a + b without error (Knuth).
exactSum :: Double -> Double -> Pair
exactSum a b = Pair s ((a - (s - part)) + (b - part))
  where
    s = a + b
    part = s - a
{-# INLINE exactSum #-}

-- | a * b without error, for numbers neither huge nor tiny: both are cut into halves of 26 bits (Veltkamp,
-- Dekker).
exactProduct :: Double -> Double -> Pair
exactProduct a b = Pair p (((aHi * bHi - p) + (aHi * bLo + aLo * bHi)) + aLo * bLo)
  where
    p = a * b
    Pair aHi aLo = halves a
    Pair bHi bLo = halves b
    halves x = Pair hi (x - hi)
      where
        big = 0x8000001 * x
        hi = big - (big - x)
{-# INLINE exactProduct #-}

-- | Wrong by less than 8 u^2 of the product.
pairProduct :: Pair -> Pair -> Pair
pairProduct (Pair aHi aLo) (Pair bHi bLo) = orderedSum p (e + (aHi * bLo + aLo * bHi))
  where
    Pair p e = exactProduct aHi bHi
{-# INLINE pairProduct #-}

-- | Newton's correction of the rounded root: wrong by less than 2 u^2 of it.
pairRoot :: Double -> Pair
pairRoot x = orderedSum root (((x - p) - e) / (2 * root))
  where
    root = sqrt x
    Pair p e = exactProduct root root
{-# INLINE pairRoot #-}

-- | Newton's correction of the rounded reciprocal: wrong by less than 10 u^2 of it.
pairReciprocal :: Pair -> Pair
pairReciprocal (Pair hi lo) = orderedSum q (q * (((1 - p) - e) - q * lo))
  where
    q = 1 / hi
    Pair p e = exactProduct q hi
{-# INLINE pairReciprocal #-}

-- | The double to which all numbers within the bound of a pair round, if it is one and the same.
settled :: Double -> Pair -> Maybe Double
settled bound (Pair hi lo)
  | above == hi + (lo - bound) = Just above
  | otherwise = Nothing
  where
    above = hi + (lo + bound)
{-# INLINE settled #-}

-- * Doubles from the inside

-- | 2^k, a normal number.
twoTo :: Int -> Double
twoTo k = castWord64ToDouble (fromIntegral (k + 1023) `shiftL` 52)
{-# INLINE twoTo #-}

-- | A number from 1/2 to 2 times 2^k is normal, or at the upper end an infinity.
staysNormal :: Int -> Bool
staysNormal k = -1022 < k && k < 1024
{-# INLINE staysNormal #-}

-- | z * 2^e with 1 <= z < 2.
data Scaled = Scaled !Double !Int

-- | A positive finite double.
scaled :: Double -> Scaled
scaled x
  | biased > 0 = Scaled (castWord64ToDouble (fraction .|. 0x3ff0000000000000)) (biased - 1023)
  | otherwise = let Scaled z e = scaled (x * 0x1p54) in Scaled z (e - 54)
  where
    bitPattern = castDoubleToWord64 x
    fraction = bitPattern .&. 0xfffffffffffff
    biased = fromIntegral (bitPattern `shiftR` 52)

-- | x rounded to a multiple of the ulp of the first argument, if x is less than a quarter of it.
roundedAt :: Double -> Double -> Double
roundedAt magic x = (x + magic) - magic
{-# INLINE roundedAt #-}

nearestInteger, to31Bits, to34Bits :: Double -> Double
nearestInteger = roundedAt 0x1.8p52
to31Bits = roundedAt 0x1.8p21 -- behind the binary point
to34Bits = roundedAt 0x1.8p18
{-# INLINE nearestInteger #-}
{-# INLINE to31Bits #-}
{-# INLINE to34Bits #-}

infinity, notANumber :: Double
infinity = 1 / 0
notANumber = 0 / 0

-- * Tables

type Table = UArray Int Double

-- | Rows of numbers, one after another.
table :: [[Double]] -> Table
table rows = listArray (0, length numbers - 1) numbers
  where
    numbers = concat rows

-- | How exactly the tables are computed.
precision :: Precision
precision = tablePrecision

-- * exp

-- | ln 2 / 128 in two parts, the first a multiple of 2^-42.
expSteps :: Table
expSteps = table [parts precision [42] (ln2 precision `quot` 128)]
{-# NOINLINE expSteps #-}

-- | 2^(j/128) in two parts, the first a multiple of 2^-26: it has 27 bits.
powersOfTwo :: Table
powersOfTwo = table (map power [0 .. 127])
  where
    power j = parts precision [26] (exponential precision (j * ln2 precision `quot` 128))
{-# NOINLINE powersOfTwo #-}

-- | e^x = 2^(k/128) e^r with the integer k nearest to 128 x / ln 2, so |r| < 2^-8.5.
--
-- r = d - w, where d = x - k * first step has no error. With the table's t + t' for 2^(k/128) modulo 2, the
-- sum is t + t a + (t (d - a + tail) + t' (1 + d + tail)): here a is d rounded to 26 bits, so that t a has no
-- error, and tail = e^r - 1 - d is below 2^-17.9.
--
-- Error: 11 roundings in the tail and after it, of numbers below 2^-17.9 t, all else is far smaller: below
-- 2^-67.4 t.
exactExp :: Double -> Double
exactExp x
  | abs x < 5.0e-17 = 1 -- less than 2^-54
  | x > 710 = infinity
  | x < -746 = 0
  | x /= x = x
  | staysNormal e, Just y <- settled 0x1p-66 power = y * twoTo e
  | otherwise = accurateExp x
  where
    k = nearestInteger (x * 0x1.71547652b82fep7)
    d = x - k * unsafeAt expSteps 0
    w = k * unsafeAt expSteps 1
    r = d - w
    square = r * r
    fromThird = (1 / 6 + r * (1 / 24)) + square * (1 / 120 + (r * (1 / 720) + square * (1 / 5040)))
    beyond = square * (0.5 + r * fromThird) - w

    steps = double2Int k
    e = steps `shiftR` 7
    t = unsafeAt powersOfTwo (2 * (steps .&. 127))
    t' = unsafeAt powersOfTwo (2 * (steps .&. 127) + 1)
    a = to34Bits d
    Pair hi lo = orderedSum t (t * a)
    power = orderedSum hi (lo + (t * ((d - a) + beyond) + t' * (1 + (d + beyond))))

-- * log

-- | ln 2 in two parts, the first a multiple of 2^-42.
ln2Parts :: Table
ln2Parts = table [parts precision [42] (ln2 precision)]
{-# NOINLINE ln2Parts #-}

-- | For j from 180 to 363 a number of 20 bits near 256/j, and minus its logarithm in two parts, the first a
-- multiple of 2^-42.
inverses :: Table
inverses = table (map (row . near) [180 .. 363])
  where
    near :: Int -> Double
    near j = nearestInteger (0x1p27 / int2Double j) * 0x1p-19
    row inverse = inverse : parts precision [42] (negate (logarithm precision inverse))
{-# NOINLINE inverses #-}

-- | x = z * 2^e with z from 0.7 to 1.42. With the table's inverse near 1/z, r = z * inverse - 1 is below
-- 2^-8.4, and log x = e ln 2 - log inverse + log (1 + r).
--
-- r is cut into a + b, where a is a multiple of 2^-34. So log (1 + r) = a - a^2/2 + b - (2a + b) b/2 + tail,
-- where a^2 has no error and the tail r^3/3 - r^4/4 + … is below 2^-26.7. The terms that can be large are
-- added without error.
--
-- Error: 10 roundings in the tail, and 4 of sums below 2^-26: below 2^-75.4. If the inverse is 1, the result
-- is about r, which then is below 2^-9, and the error is below 14 u r^3/3, 2^-68 of it. If not, the result is
-- 2^-9 or more.
exactLog :: Double -> Double
exactLog x
  | x == 1 = 0
  | x > 0 && x < infinity = case settled (abs hi * 0x1p-66) (Pair hi lo) of
      Just y -> y
      Nothing -> accurateLog x
  | x == 0 = -infinity
  | x < 0 = notANumber
  | otherwise = x
  where
    Scaled z0 e0 = scaled x
    upper = z0 > 0x1.6a09e667f3bcdp0 -- the square root of 2
    z = if upper then 0.5 * z0 else z0
    e = int2Double (if upper then e0 + 1 else e0)
    j = 3 * (double2Int (z * 256 + 0.5) - 180)
    inverse = unsafeAt inverses j
    z' = to31Bits z -- the products of z' and z - z' with the inverse have no error
    Pair r rest = exactSum (z' * inverse - 1) ((z - z') * inverse)

    a = to34Bits r
    b = (r - a) + rest
    square = r * r
    fromFifth = (1 / 5 - r * (1 / 6)) + square * ((1 / 7 - r * (1 / 8)) + square * (1 / 9))
    tail' = square * r * ((1 / 3 - r * (1 / 4)) + square * fromFifth)

    large = (e * unsafeAt ln2Parts 0 + unsafeAt inverses (j + 1)) + a -- multiples of 2^-42 below 2^10
    small = e * unsafeAt ln2Parts 1 + unsafeAt inverses (j + 2)
    Pair s1 l1 = orderedSum large (-0.5 * (a * a))
    Pair s2 l2 = exactSum s1 b
    Pair hi lo = orderedSum s2 ((l1 + l2) + ((small - 0.5 * ((2 * a + b) * b)) + tail'))

-- * sin and cos

-- | pi/256 in three parts: a multiple of 2^-49, one of 2^-92, and the rest.
circleSteps :: Table
circleSteps = table [parts precision [49, 92] (halfPi precision `quot` 128)]
{-# NOINLINE circleSteps #-}

-- | sin (j pi/256) as a pair, for a circle and a quarter, so that the cosine of j stands 128 later.
sines :: Table
sines = table (map sineOf [0 .. 639])
  where
    sineOf :: Integer -> [Double]
    sineOf j
      | j >= 256 = map negate (sineOf (j - 256))
      | j > 128 = sineOf (256 - j)
      | otherwise = asPair precision (sine precision (j * halfPi precision `quot` 128))
{-# NOINLINE sines #-}

exactSin, exactCos :: Double -> Double
exactSin x
  | abs x < 0x1p-26 = x -- x^3/6 is less than half an ulp
  | otherwise = sineFrom 0 x
exactCos x
  | abs x < 0x1p-27 = 1 -- x^2/2 is less than half an ulp
  | otherwise = sineFrom 1 x

-- | sin (x + quarters * pi/2) for |x| <= 8 or NaN.
--
-- x = k pi/256 + r with |r| < 2^-7.3; the pair for r is good to 2^-130. With s and c, the sine and cosine of
-- k pi/256 and the quarters, the result is s + c r + s (cos r - 1) + c (sin r - r). The first two terms are
-- added without error.
--
-- Error: let a unit be u r^2/2 < 2^-68.6. There are 6 s units from s (cos r - 1) and the sum, and 4 c r of
-- them from c (sin r - r). If s is not 0, the result is at least s/2 and c r at most s/2: below 14 units, or
-- 2^-64.8, of the result. If s is 0, the result is about r: below 2^-66.
sineFrom :: Int -> Double -> Double
sineFrom quarters x
  | not (abs x <= 8) = notANumber
  | Just y <- settled (abs hi * 0x1p-64) (Pair hi lo) = y
  | otherwise = accurateSine quarters x
  where
    k = nearestInteger (x * 0x1.45f306dc9c883p6)
    d = x - k * unsafeAt circleSteps 0
    Pair r more = exactSum d (negate (k * unsafeAt circleSteps 1))
    rest = more - k * unsafeAt circleSteps 2

    j = 2 * ((double2Int k + 128 * quarters) .&. 511)
    s = unsafeAt sines j
    s' = unsafeAt sines (j + 1)
    c = unsafeAt sines (j + 256)
    c' = unsafeAt sines (j + 257)
    square = r * r
    sineTail = r * square * (square * (1 / 120 - square * (1 / 5040)) - 1 / 6)
    cosineTail = (square * square * (1 / 24 - square * (1 / 720)) - r * rest) - 0.5 * square

    Pair p e = exactProduct c r
    Pair top l = orderedSum s p
    low = (((l + e) + (s' + c' * r)) + c * rest) + (s * cosineTail + c * sineTail)
    Pair hi lo = orderedSum top low

-- * pow

-- | x^y for an integer or half-integer y, |y| <= 4096.
exactPow :: Double -> Double -> Double
exactPow x y
  | y == 2 = x * x
  | y == -1 = 1 / x
  | y == 0 = 1
  | y == 1 || x /= x = x
  | y == 0.5 = exactRoot x
  | x > 0 && x < infinity = positivePow x twice
  | x < 0 && x > -infinity = if even twice then signed (positivePow (negate x) twice) else notANumber
  | (x == 0) == (y < 0) = signed infinity
  | otherwise = signed 0
  where
    twice = double2Int (2 * y)
    signed size = if twice .&. 3 == 2 && isNegative x then negate size else size
    isNegative n = n < 0 || 1 / n < 0

-- | The power 1/2. It is the square root, but for -0.0 (+0.0) and -infinity (+infinity).
--
-- A literal 0 would not do: where this is inlined, GHC takes 0 + y for y, which it is not if y is -0.0.
exactRoot :: Double -> Double
exactRoot x
  | x == 0 = abs x
  | x == -infinity = infinity
  | otherwise = sqrt x
{-# INLINE exactRoot #-}

-- | x^(twice/2) for a positive finite x = z * 2^e with an even e: square and multiply. Below 2^900 and above
-- 2^-900 nothing overflows or underflows on the way.
--
-- Error: 8 u^2 for a product, on top of the errors of its factors, makes 16 n u^2 at most for the n-th power,
-- and a root and a reciprocal add 20 u^2. The bound allows four times as much.
positivePow :: Double -> Int -> Double
positivePow x twice
  | int2Double n * abs (z - 1) < 450 -- |log2 z| <= 2 |z - 1|
  , Just y <- settled (hi * int2Double (n + 8) * 0x1p-100) (Pair hi lo)
  , Scaled z' e' <- scaled y
  , staysNormal (e' + shifted) =
      z' * twoTo (e' + shifted)
  | otherwise = accuratePower x twice
  where
    Scaled z0 e0 = scaled x
    z = if odd e0 then 0.5 * z0 else z0
    shifted = ((e0 + 1) `shiftR` 1) * twice
    n = abs twice `shiftR` 1
    power = raised (if odd twice then pairRoot z else Pair 1 0) (Pair z 0) n
    Pair hi lo = if twice < 0 then pairReciprocal power else power

-- | The first pair times the n-th power of the second.
raised :: Pair -> Pair -> Int -> Pair
raised result square n
  | n == 0 = result
  | n == 1 = result'
  | otherwise = raised result' (pairProduct square square) (n `shiftR` 1)
  where
    result' = if odd n then pairProduct result square else result
