-- | exp, log, sin, cos and pow: correctly rounded (SPEC, sections 2 and 15), or the language's own. Integers settle
-- every call. Training calls exp so often that it first tries a sum of two doubles.
module Functions (Math (..), expOf, logOf, sinOf, cosOf, powOf) where

import Data.Array.Base (UArray, listArray, unsafeAt)
import Data.Bits (bit, countTrailingZeros, shift, shiftL, shiftR, (.&.))
import GHC.Float (castWord64ToDouble, rationalToDouble)
import GHC.Num.Integer (integerLog2)

data Math = Exact | Native

expOf, logOf, sinOf, cosOf :: Math -> Double -> Double
expOf Native x = exp x
expOf Exact x
  | isNaN x || abs x < 0x1p-54 = 1 + x
  | abs x > 700 = exactExp (max (-746) (min 710 x)) -- beyond, it is 0 and infinity all the same
  | otherwise = quickExp x
logOf Native x = log x
logOf Exact x
  | x == 1 = 0
  | x > 0 && x < infinity = exactLog x
  | otherwise = if x == 0 then -infinity else sqrt x
sinOf Native x = sin x
sinOf Exact x = if isNaN x || abs x < 0x1p-26 then x else exactSin 0 x
cosOf Native x = cos x
cosOf Exact x = if isNaN x then x else exactSin 1 x

-- | For an integer or half-integer y. Inlined, so that Adam's powers cost a product and a root.
powOf :: Math -> Double -> Double -> Double
powOf Native x y = x ** y
powOf Exact x y
  | y == 2 = x * x
  | y == 0.5 = if x == -infinity then infinity else abs (sqrt x)
  | otherwise = exactPow x y
{-# INLINE powOf #-}

exactPow :: Double -> Double -> Double
exactPow x y
  | y == -1 = 1 / x
  | y == 0 = 1
  | isNaN x = x
  | x == 0 || isInfinite x = signed (if (x == 0) == (y < 0) then infinity else 0)
  | x < 0 && odd twice = 0 / 0
  | otherwise = signed (halfPower (abs x) twice)
  where
    twice = truncate (2 * y) :: Int
    signed y' = if twice .&. 3 == 2 && (x < 0 || isNegativeZero x) then -y' else y'

infinity :: Double
infinity = 1 / 0

-- * Accurate: an integer n stands for n / 2^places

-- | Of these, the last 13 may be wrong. No true value but a power is known to be so near to the middle between two
-- doubles.
places :: Int
places = 192

ln2, halfPi, one :: Integer
ln2 = 2 * inverseArc 1 3 `shiftR` 64
halfPi = (8 * inverseArc (-1) 5 - 2 * inverseArc (-1) 239) `shiftR` 64 -- Machin, 1706
one = bit places

-- | Of 1/q, with 64 more places: the inverse tangent for the sign -1, the hyperbolic one for 1.
inverseArc :: Integer -> Integer -> Integer
inverseArc sign q = sum (zipWith quot (takeWhile (/= 0) (iterate (`quot` (sign * q * q)) first)) odds)
  where
    first = bit (places + 64) `quot` q

odds :: [Integer]
odds = [1, 3 ..]

-- | The double nearest to n * 2^e, rounded once, among subnormal numbers too.
nearest :: Integer -> Int -> Double
nearest n e = if e < 0 then rationalToDouble n (bit (-e)) else rationalToDouble (n `shiftL` e) 1

fixed :: Double -> Integer
fixed x = let (m, e) = decodeFloat x in m `shift` (places + e)

times :: Integer -> Integer -> Integer
times a b = (a * b) `shiftR` places

-- | Each term is the one before times the factor, over the next divisor.
series :: Integer -> Integer -> [Integer] -> [Integer]
series first factor = takeWhile (/= 0) . scanl (\term n -> times term factor `quot` n) first

-- | e^r for 0 <= r < 1.
exponential :: Integer -> Integer
exponential r = sum (series one r [1 ..])

exactExp, exactLog :: Double -> Double
exactExp x = let (k, r) = fixed x `divMod` ln2 in nearest (exponential r) (fromInteger k - places)
-- x = z * 2^e with z from 0.7 to 1.42, and log z = 2 artanh ((z - 1) / (z + 1))
exactLog x = nearest (toInteger (e + point) * ln2 + 2 * sum (zipWith quot powers odds)) (-places)
  where
    (m, e) = decodeFloat x
    point = if m > 0x16a09e667f3bcd then 53 else 52
    s = ((m - bit point) `shiftL` places) `quot` (m + bit point)
    square = times s s
    powers = takeWhile (/= 0) (iterate (\power -> power * square `quot` one) s)

-- | sin (x + quarters * pi/2) for |x| <= 8. What is left of x is between -pi/4 and pi/4.
exactSin :: Integer -> Double -> Double
exactSin quarters x = nearest (if quadrant < 2 then wave else -wave) (-places)
  where
    eighth = halfPi `quot` 2
    (k, beyond) = (fixed x + eighth) `divMod` halfPi
    r = beyond - eighth
    quadrant = (k + quarters) `mod` 4
    wave = if even quadrant then sumOf r 2 else sumOf one 1
    sumOf first from = sum (series first (-times r r) [i * (i + 1) | i <- [from, from + 2 ..]])

-- | x^(n/2) for a positive finite x: the root of an integer or of its inverse, cut to 66 bits or so. One more bit says
-- whether anything was cut off, which is all that rounding needs to know.
halfPower :: Double -> Int -> Double
halfPower x n = nearest (2 * root + (if isExact then 0 else 1)) ((e - places') `quot` 2 - 1)
  where
    (m, q) = decodeFloat x
    zeros = countTrailingZeros (fromInteger m :: Int)
    (power, cut) = raised (m `shiftR` zeros) (abs n) -- m without its zeros, so that what is cut off is never 0
    e = n * (q + zeros) + signum n * cut
    free = 132 - signum n * size power
    places' = free + (e - free) `mod` 2 -- the exponent under the root must be even
    (above, below) = if n > 0 then (power, 1) else (1, power)
    (dividend, divisor) = (above `shiftL` max 0 places', below `shiftL` max 0 (-places'))
    square = dividend `quot` divisor
    root = newton (truncate (sqrt (fromInteger square :: Double)) + bit 16) -- from above
    newton r = let next = (r + square `quot` r) `quot` 2 in if next >= r then r else newton next
    isExact = cut == 0 && root * root * divisor == dividend

-- | m^n as a number times 2 to another. What is beyond some 640 bits is cut off: no rounding can depend on it.
raised :: Integer -> Int -> (Integer, Int)
raised _ 0 = (1, 0)
raised m n = (whole `shiftR` excess, 2 * cut + excess)
  where
    (half, cut) = raised m (n `quot` 2)
    whole = half * half * (if odd n then m else 1)
    excess = max 0 (size whole - 640)

size :: Integer -> Int
size = fromIntegral . integerLog2

-- | 2^(j/128), and what is missing from it, side by side.
powersOfTwo :: UArray Int Double
powersOfTwo = listArray (0, 255) (concatMap pair [0 .. 127])
  where
    pair j = let n = exponential (j * ln2 `quot` 128); hi = at n in [hi, at (n - fixed hi)]
    at n = nearest n (-places)

-- | e^x = 2^(k/128) e^r with |r| < 2^-8.5. The product k * 0x1.62e42fefcp-8 has no error and neither has d. The tail
-- e^r - 1 - d is below 2^-17.9 and takes some ten roundings: all is wrong by less than 2^-67.
quickExp :: Double -> Double
quickExp x
  | result == hi + (lo - 0x1p-66) = result * castWord64ToDouble (fromIntegral ((k `shiftR` 7) + 1023) `shiftL` 52)
  | otherwise = exactExp x
  where
    k = round (x * 0x1.71547652b82fep7) :: Int
    j = 2 * (k .&. 127)
    d = x - fromIntegral k * 0x1.62e42fefcp-8
    w = fromIntegral k * (-0x1.c610ca86c3899p-44)
    r = d - w
    tail' = r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040)))))) - w
    (t, t') = (unsafeAt powersOfTwo j, unsafeAt powersOfTwo (j + 1))
    product' = t * d
    hi = t + product'
    lo = (product' - (hi - t)) + (productError t d product' + (t * tail' + t' * (1 + (d + tail'))))
    result = hi + (lo + 0x1p-66)

-- | What is missing from the product p of a and b, which are cut into halves of 26 bits (Veltkamp, Dekker).
productError :: Double -> Double -> Double -> Double
productError a b p = ((aHi * bHi - p) + (aHi * bLo + aLo * bHi)) + aLo * bLo
  where
    ((aHi, aLo), (bHi, bLo)) = (halves a, halves b)
    halves x = let c = 0x8000001 * x; hi = c - (c - x) in (hi, x - hi)
{-# INLINE productError #-}
