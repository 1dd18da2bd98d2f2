-- | The checksum of SPEC, section 13.
module Checksum
  ( Checksum (..)
  , checksum
  ) where

import Control.Monad.ST (ST)
import Data.Array.Base (unsafeRead)
import Data.Array.ST (STUArray)
import Data.Array.Unsafe (castSTUArray)
import Data.Bits (shiftR, (.&.))
import Data.Word (Word64)
import Numbers

data Checksum = Checksum !Word64 !Word64

-- | Of a span of numbers. The remainders are taken once in 2048 numbers: until then no sum reaches 2^58.
checksum :: Numbers s -> Span -> ST s Checksum
checksum numbers (Span (Slot from) count) = do
  patterns <- castSTUArray numbers
  go patterns 0 1 0
  where
    go :: STUArray s Int Word64 -> Int -> Word64 -> Word64 -> ST s Checksum
    go patterns !i !a !b
      | i >= count = pure (Checksum (a `rem` modulus) (b `rem` modulus))
      | i .&. 2047 == 0 = next patterns i (a `rem` modulus) (b `rem` modulus)
      | otherwise = next patterns i a b
    next patterns i a b = do
      bits <- pattern' <$> unsafeRead patterns (from + i)
      let a1 = a + bits `shiftR` 32
          a2 = a1 + bits .&. 0xffffffff
      go patterns (i + 1) a2 (b + a1 + a2)
    modulus = 4294967291

-- | All NaNs count alike.
pattern' :: Word64 -> Word64
pattern' bits
  | bits .&. 0x7fffffffffffffff > 0x7ff0000000000000 = 0x7ff8000000000000
  | otherwise = bits
