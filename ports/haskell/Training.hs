-- | Training (SPEC, section 8): loss, gradients, and Adam (Kingma and Ba, 2015) with a falling rate.
module Training
  ( -- * Adam
    Optimizer (..)
  , Schedule (..)
  , Factors (..)
  , factorsAt
  , update
    -- * Training
  , Training (..)
  , startTraining
  , advance
  , evaluate
  ) where

import Control.Monad.ST (ST)
import Functions
import Model
import Network
import Numbers
import Tape (backward, forward)

data Schedule = LinearFall | CosineFall

data Optimizer = Optimizer
  { learningRate, beta1, beta2, epsilon :: !Double
  , schedule :: !Schedule
  , steps :: !Int
  }

-- | What is the same for all parameters in a step.
data Factors = Factors
  { rate, correction1, correction2 :: !Double
  }

-- | For a step, counted from 0.
factorsAt :: Math -> Optimizer -> Int -> Factors
factorsAt math how step =
  Factors
    { rate = case schedule how of
        LinearFall -> learningRate how * (1 - s / n)
        CosineFall -> (learningRate how * 0.5) * (1 + cosOf math ((3.141592653589793 * s) / n))
    , correction1 = 1 - powOf math (beta1 how) (s + 1)
    , correction2 = 1 - powOf math (beta2 how) (s + 1)
    }
  where
    s = fromIntegral step
    n = fromIntegral (steps how)

-- | New moments and parameters: of so many parameters, given their gradients, m and v.
update :: Math -> Optimizer -> Factors -> Int -> Numbers s -> Numbers s -> Numbers s -> Numbers s -> ST s ()
update math how factors count parameters gs ms vs = upTo count $ \i -> do
  let slot = Slot i
  g <- get gs slot
  m <- (\old -> b1 * old + (1 - b1) * g) <$> get ms slot
  v <- (\old -> b2 * old + (1 - b2) * squareOf math g) <$> get vs slot
  put ms slot m
  put vs slot v
  let mHat = m / correction1 factors
      vHat = v / correction2 factors
  p <- get parameters slot
  put parameters slot (p - (rate factors * mHat) / (rootOf math vHat + epsilon how))
  where
    b1 = beta1 how
    b2 = beta2 how

-- | A training under way. The first of the values and gradients are those of the parameters.
data Training s = Training
  { trainee :: !Model
  , optimizer :: !Optimizer
  , values, gradients, firstMoments, secondMoments :: !(Numbers s)
  }

-- | With parameters, m and v in the order of the slots (those that are missing are 0), and room for a
-- document of so many tokens.
startTraining :: Model -> Optimizer -> Int -> [Double] -> [Double] -> [Double] -> ST s (Training s)
startTraining model how longest ps ms vs =
  Training model how
    <$> numbersFrom room ps
    <*> newNumbers room
    <*> numbersFrom count ms
    <*> numbersFrom count vs
  where
    count = size (parametersOf model)
    room = extent (documentProgram model (replicate longest (Token 0)))

-- | One step, counted from 0, on one document: the loss before the update. The gradients stay to be looked
-- at.
advance :: Training s -> Int -> [Token] -> ST s Double
advance (Training model how ps gs ms vs) step document = do
  loss <- evaluate model ps gs document
  update math how (factorsAt math how step) (size (parametersOf model)) ps gs ms vs
  pure loss
  where
    math = mathOf model

-- | The loss of a document, and the gradients of everything on the way to it.
evaluate :: Model -> Numbers s -> Numbers s -> [Token] -> ST s Double
evaluate model vs gs document = do
  mapM_ (forward math vs) (instructions network)
  clear gs (extent network)
  put gs loss 1
  mapM_ (backward math vs gs) (fromTheBack network)
  get vs loss
  where
    math = mathOf model
    network = documentProgram model document
    loss = start (outcome network)
