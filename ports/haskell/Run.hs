{-# LANGUAGE OverloadedStrings #-}

-- | A whole run (SPEC, section 10): from documents to samples, and the text that it prints.
module Run
  ( Preset (..)
  , presets
  , Ending (..)
  , run
  ) where

import Checksum
import Control.Monad (forM, forM_, replicateM)
import Control.Monad.ST (ST)
import Control.Monad.State.Strict (evalState, execStateT, lift, runState)
import Control.Monad.Trans.Maybe (MaybeT (..))
import Data.Array (Array, listArray, (!))
import Data.Array.Unboxed (elems)
import Data.ByteString (ByteString)
import qualified Data.ByteString as Bytes
import Data.Text (Text)
import qualified Data.Text as Text
import Data.Word (Word32)
import Functions
import Model
import Network (drawExtent)
import Numbers
import Random
import Sampling
import Tokens
import Training

-- | Everything about a run but its documents.
data Preset = Preset
  { shapeFor :: Int -> Config
  -- ^ given the size of the vocabulary
  , adam :: Optimizer
  , sigma, outputSigma :: Double
  -- ^ of the initial parameters, the second of attn_wo and mlp_fc2
  , temperature :: Double
  , samples :: Int
  }

presets :: [(ByteString, Preset)]
presets =
  [ ( "seed"
    , Preset
        { shapeFor = \count -> Config 1 4 16 8 count ReluSquared (causal 8)
        , adam = Optimizer 0.01 0.9 0.95 1e-8 CosineFall 500
        , sigma = 0.02
        , outputSigma = 0
        , temperature = 0.5
        , samples = 20
        }
    )
  , ( "classic"
    , Preset
        { shapeFor = \count -> Config 1 4 16 16 count ReluOnce (causal 16)
        , adam = Optimizer 0.01 0.85 0.99 1e-8 LinearFall 1000
        , sigma = 0.08
        , outputSigma = 0.08
        , temperature = 0.5
        , samples = 20
        }
    )
  ]

-- | How a run ends: checksums of parameters, m and v, and the generator's next word.
data Ending = Ending !Checksum !Checksum !Checksum !Word32

-- | Given one document or more, and what to do with each line of text. Nothing if a sample cannot be drawn,
-- because probabilities are not finite.
run :: Math -> Preset -> [Text] -> (Text -> ST s ()) -> ST s (Maybe Ending)
run math preset documents say = do
  say ("num docs: " <> shown (length documents))
  say ("vocab size: " <> shown (vocabularySize tokenizer))
  say ("num params: " <> shown (size everything))
  training <- startTraining model (adam preset) longest initial [] []
  forM_ [1 .. total] $ \step -> do
    loss <- advance training (step - 1) (encode tokenizer (turn ! ((step - 1) `rem` length documents)))
    say ("step " <> wide 4 step <> " / " <> wide 4 total <> " | loss " <> fourDecimals loss)
  say ""
  say "--- inference (new, hallucinated names) ---"
  trained <- copyOut (values training) everything
  room <- numbersFrom (drawExtent model) (elems trained)
  let draw i = do
        draws <- sample model (temperature preset) room
        let text = decode tokenizer [token | Draw _ token <- draws]
        (lift . lift . say) ("sample " <> wide 2 i <> ": " <> text)
      sumOf numbers = checksum numbers everything
  finished <- runMaybeT (execStateT (mapM_ draw [1 .. samples preset]) generator)
  forM finished $ \later ->
    Ending
      <$> sumOf (values training)
      <*> sumOf (firstMoments training)
      <*> sumOf (secondMoments training)
      <*> pure (evalState word later)
  where
    tokenizer = tokenizerOf documents
    model = modelOf math (shapeFor preset (vocabularySize tokenizer))
    everything = parametersOf model
    total = steps (adam preset)
    longest = maximum (map Text.length documents) + 2
    turn = listArray (0, length documents - 1) shuffled :: Array Int Text
    ((shuffled, initial), generator) =
      runState ((,) <$> shuffle documents <*> drawParameters math preset model) (seeded 42)

-- | The initial parameters, in order. Those of sigma 0 are drawn too.
drawParameters :: Math -> Preset -> Model -> Random [Double]
drawParameters math preset model = concat <$> mapM ofMatrix (matrices model)
  where
    ofMatrix m = replicateM (rowCount m * columnCount m) (gauss math (sigmaOf m))
    sigmaOf m
      | any (`Bytes.isSuffixOf` name m) ["attn_wo", "mlp_fc2"] = outputSigma preset
      | otherwise = sigma preset

-- * Numbers as text

shown :: Int -> Text
shown = Text.pack . show

-- | Padded on the left.
wide :: Int -> Int -> Text
wide width = Text.justifyRight width ' ' . shown

-- | Rounded once from the exact value, ties to even.
fourDecimals :: Double -> Text
fourDecimals x
  | isNaN x = "nan"
  | isInfinite x = sign <> "inf"
  | otherwise = sign <> Text.pack (show whole) <> "." <> Text.justifyRight 4 '0' (Text.pack (show part))
  where
    sign = if x < 0 || isNegativeZero x then "-" else ""
    (whole, part) = (round (abs (toRational x) * 10000) :: Integer) `quotRem` 10000
