-- | Drawing text from a model (SPEC, section 9).
module Sampling
  ( Sampler
  , Draw (..)
  , sample
  ) where

import Control.Monad.ST (ST)
import Control.Monad.State.Strict (StateT, lift, runState, state)
import Control.Monad.Trans.Maybe (MaybeT (..))
import Data.Array.Unboxed (UArray, elems)
import Model
import Network
import Numbers
import Random
import Tape (forward)

-- | Draws random numbers and computes with numbers that change. Gives up where probabilities are not finite.
type Sampler s = StateT Generator (MaybeT (ST s))

-- | The probabilities at a position, and the token that was drawn.
data Draw = Draw !(UArray Int Double) !Token

-- | A sample at a temperature, with the BOS that ends it, if one does. Of the values, 'drawExtent' in number,
-- the first are the parameters.
sample :: Model -> Double -> Numbers s -> Sampler s [Draw]
sample model temperature values = from 0 bos
  where
    bos = Token (vocabulary (config model) - 1)
    from t token
      | t >= block (config model) = pure []
      | otherwise = do
          probabilities <- lift (lift (probabilitiesAt t token))
          next <- Token <$> (state (runState (choice (elems probabilities))) >>= lift . MaybeT . pure)
          later <- if next == bos then pure [] else from (t + 1) next
          pure (Draw probabilities next : later)
    probabilitiesAt t token = do
      let network = drawProgram model temperature t token
      mapM_ (forward (mathOf model) values) (instructions network)
      copyOut values (outcome network)
