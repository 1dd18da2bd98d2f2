-- | Exponential, logarithm, sine, cosine and powers to any number of digits, in fixed point, and from there
-- the nearest double: the accurate phase of "Exact", which also takes its tables from here. Slow, and meant
-- to be obviously right. What happens for zeros, infinities and NaNs is left to "Exact".
module Accurate
  ( -- * Nearest doubles
    accurateExp
  , accurateLog
  , accurateSine
  , accuratePower
    -- * Fixed point, for tables
  , Fixed
  , Precision (..)
  , tablePrecision
  , exponential
  , logarithm
  , sine
  , parts
  , asPair
  ) where

import Data.Bits (bit, countTrailingZeros, shift, shiftL, shiftR, (.&.))
import Data.Maybe (fromMaybe)
import GHC.Num (integerLog2)

-- * Fixed point

-- | The integer n stands for n / 2^bits. A unit is 2^-bits.
type Fixed = Integer

-- | How many bits stand behind the binary point, and two constants to that many, each wrong by less than a
-- unit.
data Precision = Precision
  { bits :: !Int
  , ln2 :: !Fixed
  , halfPi :: !Fixed
  }

-- | 256 bits, then twice as many, and so on. The hardest arguments known are decided by less than half of the
-- first.
precisions :: [Precision]
precisions = tablePrecision : map precision (iterate (* 2) 512)

tablePrecision :: Precision
tablePrecision = precision 256

precision :: Int -> Precision
precision b =
  Precision
    { bits = b
    , ln2 = unguarded (2 * sum (inverseOddPowers 3)) -- ln 2 = 2 atanh(1/3)
    , halfPi = unguarded (8 * arctangent 5 - 2 * arctangent 239) -- Machin, 1706
    }
  where
    guardBits = 16
    unguarded n = (n + bit (guardBits - 1)) `shiftR` guardBits
    one = bit (b + guardBits) :: Fixed
    arctangent = sum . alternating . inverseOddPowers
    -- 1/q, 1/(3 q^3), 1/(5 q^5), …: the terms of atanh(1/q), and with alternating signs of atan(1/q)
    inverseOddPowers q = zipWith quot (takeWhile (> 0) (iterate (`quot` (q * q)) (one `quot` q))) [1, 3 ..]

alternating :: [Fixed] -> [Fixed]
alternating = zipWith (*) (cycle [1, -1])

-- | A double without any error, if its last bit is worth a unit or more.
fixed :: Precision -> Double -> Fixed
fixed p x = m `shift` (bits p + e)
  where
    (m, e) = decodeFloat x

-- | A product of numbers >= 0, less than a unit too small.
times :: Precision -> Fixed -> Fixed -> Fixed
times p a b = (a * b) `shiftR` bits p

-- * Series
--
-- A term is wrong by less than 4 units, and at 256 bits there are less than 64 terms: a series is wrong by
-- less than 2^8 units. At 1024 bits it is less than 2^10 still.

-- | The first term, and each next one the one before times the factor, over the next divisor. All are >= 0.
series :: Precision -> Fixed -> Fixed -> [Integer] -> [Fixed]
series p first factor = takeWhile (> 0) . scanl (\term divisor -> times p term factor `quot` divisor) first

-- | e^r for 0 <= r < 1.
exponential :: Precision -> Fixed -> Fixed
exponential p r = sum (series p (bit (bits p)) r [1 ..])

-- | sin r for 0 <= r < 2.
sine :: Precision -> Fixed -> Fixed
sine p r = sum (alternating (series p r (times p r r) [k * (k + 1) | k <- [2, 4 ..]]))

-- | cos r for 0 <= r < 2.
cosine :: Precision -> Fixed -> Fixed
cosine p r = sum (alternating (series p (bit (bits p)) (times p r r) [k * (k + 1) | k <- [1, 3 ..]]))

-- | log x for a positive finite double: e ln 2 + 2 atanh((z - 1)/(z + 1)) with x = z * 2^e and z from 0.7 to
-- 1.42. Wrong by less than 2^11 units, most of them from ln 2, which is there up to 1075 times.
logarithm :: Precision -> Double -> Fixed
logarithm p x = toInteger (e + point) * ln2 p + signum s * 2 * sum (zipWith quot oddPowers [1, 3 ..])
  where
    (m, e) = decodeFloat x -- m has 53 bits
    point = if m > 0x16a09e667f3bcd then 53 else 52 -- m is compared with the square root of 2
    z = m `shiftL` (bits p - point)
    one = bit (bits p)
    s = ((z - one) `shiftL` bits p) `quot` (z + one)
    square = times p (abs s) (abs s)
    oddPowers = takeWhile (> 0) (iterate (times p square) (abs s))

-- * Rounding

-- | The double nearest to n * 2^e, ties to even. A subnormal one is rounded at its own precision.
nearest :: Integer -> Int -> Double
nearest n e
  | n < 0 = negate (nearest (negate n) e)
  | n == 0 || top < -1080 = 0
  | top > 1030 = 1 / 0
  | dropped <= 0 = encodeFloat (n `shiftL` negate dropped) lastBit
  | otherwise = encodeFloat rounded lastBit
  where
    top = fromIntegral (integerLog2 n) + e
    lastBit = max (top - 52) (-1074)
    dropped = lastBit - e
    kept = n `shiftR` dropped
    rounded = case compare (n - kept `shiftL` dropped) (bit (dropped - 1)) of
      LT -> kept
      EQ -> kept + kept .&. 1
      GT -> kept + 1

-- | The double to which every number within 2^slack units of n * 2^e rounds, if it is one and the same.
decided :: Precision -> Int -> Int -> Fixed -> Maybe Double
decided p slack e n
  | below == above = Just above
  | otherwise = Nothing
  where
    below = nearest (n - bit slack) (e - bits p)
    above = nearest (n + bit slack) (e - bits p)

-- | The first answer, trying one precision after another.
untilDecided :: (Precision -> Maybe Double) -> Double
untilDecided attempt = foldr (\p later -> fromMaybe later (attempt p)) 0 precisions

-- | A fixed number in parts, most significant first: a multiple of 2^-b for each b of the list, and the rest.
parts :: Precision -> [Int] -> Fixed -> [Double]
parts p [] n = [nearest n (negate (bits p))]
parts p (b : more) n = nearest part (negate (bits p)) : parts p more (n - part)
  where
    unwanted = bits p - b
    part = ((n + bit (unwanted - 1)) `shiftR` unwanted) `shiftL` unwanted

-- | A fixed number as the nearest double, and the one nearest to the rest.
asPair :: Precision -> Fixed -> [Double]
asPair p n = [hi, nearest (n - fixed p hi) (negate (bits p))]
  where
    hi = nearest n (negate (bits p))

-- * The functions

-- | e^x for 2^-60 <= |x| < 800. Wrong by less than 2^12 units, most of them from ln 2.
accurateExp :: Double -> Double
accurateExp x = untilDecided $ \p ->
  let (k, r) = fixed p x `divMod` ln2 p
   in decided p 12 (fromInteger k) (exponential p r)

-- | log x for a positive finite x, not 1.
accurateLog :: Double -> Double
accurateLog x = untilDecided $ \p -> decided p 12 0 (logarithm p x)

-- | sin (x + quarters * pi/2) for 2^-60 <= |x| <= 8, unless that is 0. Wrong by less than 2^9 units.
accurateSine :: Int -> Double -> Double
accurateSine quarters x = untilDecided $ \p ->
  let eighth = halfPi p `quot` 2
      (k, beyond) = (fixed p x + eighth) `divMod` halfPi p
      r = beyond - eighth -- between -pi/4 and pi/4
      quadrant = (fromInteger k + quarters) `mod` 4
      size
        | even quadrant = signum r * sine p (abs r)
        | otherwise = cosine p (abs r)
   in decided p 9 0 (if quadrant < 2 then size else negate size)

-- | x^(twice/2) for a positive finite x and |twice| <= 8192: e^y with y = twice/2 * log x, where that log is
-- wrong by less than 2^11 units, and the multiple of ln 2 by less than 2^23. So the power is wrong by less
-- than 2^25.
accuratePower :: Double -> Int -> Double
accuratePower x twice = case shortPower x twice of
  Just (n, e) -> nearest n e
  Nothing -> untilDecided $ \p ->
    let (k, r) = ((toInteger twice * logarithm p x) `shiftR` 1) `divMod` ln2 p
     in decided p 26 (fromInteger k) (exponential p r)

-- | The power as (n, e), n * 2^e, if n need not have more than 54 bits: if it is a double, or lies in the
-- middle between two. Such powers would never be decided. All others have infinitely many bits or at least
-- 55.
shortPower :: Double -> Int -> Maybe (Integer, Int)
shortPower x twice
  | even twice = integerPower odd' e (twice `quot` 2)
  | even e && root * root == odd' = integerPower root (e `quot` 2) twice -- only squares have rational roots
  | otherwise = Nothing
  where
    (m, e53) = decodeFloat x
    zeros = countTrailingZeros (fromInteger m :: Int)
    odd' = m `shiftR` zeros
    e = e53 + zeros
    root = floor (sqrt (fromInteger odd' :: Double))

-- | (n * 2^e)^count for an odd n.
integerPower :: Integer -> Int -> Int -> Maybe (Integer, Int)
integerPower n e count
  | n == 1 = Just (1, e * count)
  | count > 0 && fromIntegral (integerLog2 n) * count < 54 = Just (n ^ count, e * count)
  | otherwise = Nothing -- 1/3, 1/9, … have no last bit
