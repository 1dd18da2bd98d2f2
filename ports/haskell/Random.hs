-- | The stream of random numbers of SPEC, section 3: the Mersenne Twister MT19937 (Matsumoto and Nishimura,
-- 1998) as Python uses it. A draw is an action in the state of a generator, which is a plain value.
module Random
  ( Generator (..)
  , Random
  , seeded
  , generatorWith
  , wordsOfState
  , stateSize
  , word
  , uniform
  , gauss
  , below
  , shuffle
  , choice
  ) where

import Control.Monad (forM, forM_)
import Control.Monad.ST (ST)
import Control.Monad.State.Strict (State, get, modify', put, state)
import Data.Array.Base (unsafeAt, unsafeRead, unsafeWrite)
import Data.Array.ST (STUArray, newListArray, readArray, runSTArray, runSTUArray, thaw, writeArray)
import Data.Array.Unboxed (UArray, elems, listArray, (!))
import qualified Data.Array as Boxed
import Data.Bits (countLeadingZeros, shiftL, shiftR, testBit, xor, (.&.), (.|.))
import Data.Word (Word32)
import Functions
import Numbers (zero)

data Generator = Generator
  { used :: !Int
  -- ^ how many of the words have been used up
  , untempered :: !(UArray Int Word32)
  , kept :: !(Maybe Double)
  -- ^ the second number of a pair that 'gauss' has made
  }

type Random = State Generator

stateSize :: Int
stateSize = 624

-- | The generator that has used up so many of these words.
generatorWith :: Int -> [Word32] -> Maybe Double -> Generator
generatorWith index given = Generator index (listArray (0, stateSize - 1) given)

wordsOfState :: Generator -> [Word32]
wordsOfState = elems . untempered

-- * Words

-- | The generator of a seed: init_by_array of the original, with a key of one word.
seeded :: Word32 -> Generator
seeded seed = Generator stateSize scattered Nothing
  where
    scattered = runSTUArray $ do
      mt <- newListArray (0, stateSize - 1) (take stateSize (filling 1 19650218))
      position <- stir mt 1 stateSize 1664525 (const seed)
      _ <- stir mt position (stateSize - 1) 1566083941 (negate . fromIntegral)
      writeArray mt 0 0x80000000
      pure mt
    filling i previous = previous : filling (i + 1) (1812433253 * spread previous + i)

spread :: Word32 -> Word32
spread previous = previous `xor` (previous `shiftR` 30)

-- | Mix so many words with their predecessors, from an index on; the index after them.
stir :: STUArray s Int Word32 -> Int -> Int -> Word32 -> (Int -> Word32) -> ST s Int
stir _ i 0 _ _ = pure i
stir mt i count factor extra = do
  previous <- readArray mt (i - 1)
  old <- readArray mt i
  let new = (old `xor` (spread previous * factor)) + extra i
  writeArray mt i new
  if i + 1 < stateSize
    then stir mt (i + 1) (count - 1) factor extra
    else writeArray mt 0 new >> stir mt 1 (count - 1) factor extra

-- | All words anew, when they are used up.
renewed :: UArray Int Word32 -> UArray Int Word32
renewed old = runSTUArray $ do
  mt <- thaw old
  forM_ [0 .. stateSize - 1] $ \i -> do
    here <- unsafeRead mt i
    next <- unsafeRead mt ((i + 1) `rem` stateSize)
    far <- unsafeRead mt ((i + 397) `rem` stateSize)
    let y = (here .&. 0x80000000) .|. (next .&. 0x7fffffff)
    unsafeWrite mt i (far `xor` (y `shiftR` 1) `xor` (if testBit y 0 then 0x9908b0df else 0))
  pure mt

word :: Random Word32
word = state next
  where
    next generator
      | used generator == stateSize = next generator {used = 0, untempered = renewed (untempered generator)}
      | otherwise = (tempered (unsafeAt (untempered generator) i), generator {used = i + 1})
      where
        i = used generator

tempered :: Word32 -> Word32
tempered y0 = y3 `xor` (y3 `shiftR` 18)
  where
    y1 = y0 `xor` (y0 `shiftR` 11)
    y2 = y1 `xor` ((y1 `shiftL` 7) .&. 0x9d2c5680)
    y3 = y2 `xor` ((y2 `shiftL` 15) .&. 0xefc60000)

-- * Numbers

-- | A multiple of 2^-53 in [0, 1).
uniform :: Random Double
uniform = do
  a <- word
  b <- word
  pure ((fromIntegral (a `shiftR` 5) * 67108864 + fromIntegral (b `shiftR` 6)) / 9007199254740992)

-- | A normal number (Box and Muller, 1958, who make two at a time).
gauss :: Math -> Double -> Random Double
gauss math sigma = do
  generator <- get
  z <- case kept generator of
    Just second -> second <$ put generator {kept = Nothing}
    Nothing -> do
      angle <- (* 6.283185307179586) <$> uniform
      radius <- (\u -> sqrt (-2 * logOf math (1 - u))) <$> uniform
      let !second = sinOf math angle * radius
      modify' (\later -> later {kept = Just second})
      pure (cosOf math angle * radius)
  pure $! zero + z * sigma

-- | One of 0, 1, … n - 1, for n > 0.
below :: Int -> Random Int
below n = do
  w <- word
  let drawn = fromIntegral (w `shiftR` countLeadingZeros (fromIntegral n :: Word32))
  if drawn < n then pure drawn else below n

shuffle :: [a] -> Random [a]
shuffle items = do
  swaps <- forM [last', last' - 1 .. 1] (\i -> (,) i <$> below (i + 1))
  pure . Boxed.elems $ runSTArray $ do
    order <- thaw (Boxed.listArray (0, last') items)
    forM_ swaps $ \(i, j) -> do
      a <- readArray order i
      readArray order j >>= writeArray order i
      writeArray order j a
    pure order
  where
    last' = length items - 1

-- | An index into the weights, drawn in proportion to them. Nothing if their total is not finite and above 0.
choice :: [Double] -> Random (Maybe Int)
choice weights
  | sum' > 0 && sum' < 1 / 0 = do
      u <- (* sum') <$> uniform
      pure (Just (search u 0 last'))
  | otherwise = pure Nothing
  where
    last' = length weights - 1
    cumulative = listArray (0, last') (scanl1 (+) weights) :: UArray Int Double
    sum' = (cumulative ! last') + zero
    search :: Double -> Int -> Int -> Int
    search u low high
      | low >= high = low
      | u < cumulative ! middle = search u low middle
      | otherwise = search u (middle + 1) high
      where
        middle = (low + high) `quot` 2
