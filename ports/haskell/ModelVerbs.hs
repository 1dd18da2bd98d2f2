{-# LANGUAGE OverloadedStrings #-}

-- | The verbs that compute with a model: forward, backward, adam, train, sample and run (SPEC, section 12,
-- levels 7 to 12). All mutable numbers live and die within one reply.
module ModelVerbs
  ( forwardVerb
  , backwardVerb
  , adamVerb
  , trainVerb
  , sampleVerb
  , runVerb
  ) where

import Checksum
import Control.Monad (forM, replicateM, unless)
import Control.Monad.ST (ST, runST)
import Control.Monad.State.Strict (runState, runStateT)
import Control.Monad.Trans.Maybe (MaybeT (..))
import Data.Array (listArray)
import Data.Array.Unboxed (UArray)
import qualified Data.Array.Unboxed as Unboxed
import Data.ByteString (ByteString)
import Data.ByteString.Builder (Builder, word32HexFixed)
import qualified Data.ByteString.Char8 as Char8
import Data.Char (ord)
import Data.STRef (modifySTRef', newSTRef, readSTRef)
import qualified Data.Text as Text
import Lines
import Model
import Network
import Numbers
import Random
import Run
import Sampling
import Tape (forward)
import Tokens
import Training
import Wire

-- * Lines

configLines :: Parser Config
configLines = do
  l <- field "layers" (integer 1 16)
  h <- field "heads" (integer 1 64)
  e <- field "embedding" (integer 1 512)
  unless (e `rem` h == 0) (failing "expected an embedding that is a multiple of the heads")
  b <- field "block" (integer 1 1024)
  v <- field "vocabulary" (integer 2 2048)
  a <- field "activation" (keyword [("relu", ReluOnce), ("squared_relu", ReluSquared)])
  table <- forM [0 .. b - 1] $ \t -> field "attend" (remaining (integer 0 t) >>= attended t)
  pure (Config l h e b v a (listArray (0, b - 1) table))
  where
    attended t listed
      | increasing listed && take 1 (reverse listed) == [t] =
          pure (Unboxed.listArray (0, length listed - 1) listed)
      | otherwise = failing ("expected increasing positions that end with " <> Char8.pack (show t))

increasing :: [Int] -> Bool
increasing list = and (zipWith (<) list (drop 1 list))

tokenList :: Config -> Values [Token]
tokenList shape = do
  found <- remaining (Token <$> integer 0 (vocabulary shape - 1))
  if length found >= 2 then pure found else failing "expected two tokens or more"

-- | Numbers for all slots of the parameters, from one tensor for each matrix.
parameterLines :: ByteString -> Model -> Parser [Double]
parameterLines prefix model = concat <$> mapM tensorOf (matrices model)
  where
    tensorOf m = matrix (prefix <> name m) (rowCount m) (columnCount m)

optimizerLines :: Parser Optimizer
optimizerLines =
  Optimizer
    <$> field "learning_rate" double
    <*> field "beta1" double
    <*> field "beta2" double
    <*> field "epsilon" double
    <*> field "schedule" (keyword [("linear", LinearFall), ("cosine", CosineFall)])
    <*> stepsLine

stepsLine, samplesLine :: Parser Int
stepsLine = field "steps" (integer 1 4096)
samplesLine = field "samples" (integer 0 1000)

-- | One tensor for each matrix, from numbers in the order of the slots.
tensors :: ByteString -> Model -> UArray Int Double -> Builder
tensors prefix model numbers = foldMap ofMatrix (matrices model)
  where
    ofMatrix m = tensor (prefix <> name m) (rowCount m) (columnCount m) [numbers Unboxed.! i | i <- slotsOf m]
    slotsOf m = let Slot from = origin m in [from .. from + rowCount m * columnCount m - 1]

checksumLine :: ByteString -> Checksum -> Builder
checksumLine key (Checksum a b) = line key [word32HexFixed (fromIntegral a), word32HexFixed (fromIntegral b)]

-- * Documents

-- | What forward and backward share: the model, its parameters, a document.
documentRequest :: Parser (Model, [Double], [Token])
documentRequest = do
  math <- mathLine
  shape <- configLines
  document <- field "tokens" (tokenList shape)
  let model = modelOf math shape
  ps <- parameterLines "" model
  pure (model, ps, document)

forwardVerb :: Verb
forwardVerb = do
  (model, ps, document) <- documentRequest
  pure . Right $ runST $ do
    let network = documentProgram model document
    vs <- numbersFrom (extent network) ps
    mapM_ (forward (mathOf model) vs) (instructions network)
    seen <- forM (checkpoints network) $ \(Checkpoint called vector) ->
      tensor called 1 (size vector) . Unboxed.elems <$> copyOut vs vector
    loss <- get vs (start (outcome network))
    pure (mconcat seen <> doubleLine "loss" loss)

backwardVerb :: Verb
backwardVerb = do
  (model, ps, document) <- documentRequest
  pure . Right $ runST $ do
    let room = extent (documentProgram model document)
    vs <- numbersFrom room ps
    gs <- newNumbers room
    loss <- evaluate model vs gs document
    found <- copyOut gs (parametersOf model)
    pure (doubleLine "loss" loss <> tensors "" model found)

-- * Training

adamVerb :: Verb
adamVerb = do
  math <- mathLine
  how <- optimizerLines
  step <- field "step" (integer 0 (steps how - 1))
  (rows, columns) <- field "tensor" (keyword [("parameters", (,))] <*> integer 1 2048 <*> integer 1 2048)
  ps <- rowsOf rows columns
  gs <- matrix "gradients" rows columns
  ms <- matrix "m" rows columns
  vs <- matrix "v" rows columns
  let factors = factorsAt math how step
      count = rows * columns
      everything = Span (Slot 0) count
  pure . Right $ runST $ do
    parameters <- numbersFrom count ps
    gradients' <- numbersFrom count gs
    firsts <- numbersFrom count ms
    seconds <- numbersFrom count vs
    update math how factors count parameters gradients' firsts seconds
    results <- forM [("m", firsts), ("v", seconds), ("parameters", parameters)] $ \(called, numbers) ->
      tensor called rows columns . Unboxed.elems <$> copyOut numbers everything
    pure $
      doubleLine "rate" (rate factors)
        <> doubleLine "correction1" (correction1 factors)
        <> doubleLine "correction2" (correction2 factors)
        <> mconcat results

trainVerb :: Verb
trainVerb = do
  math <- mathLine
  shape <- configLines
  how <- optimizerLines
  from <- field "from" (integer 0 (steps how - 1))
  count <- field "count" (integer 1 (steps how - from))
  full <- field "full" (remaining (integer from (from + count - 1)))
  unless (increasing full) (failing "expected increasing steps in the line full")
  documents <- several "tokens" (tokenList shape)
  let model = modelOf math shape
      moments prefix = if from == 0 then pure [] else parameterLines prefix model
  ps <- parameterLines "" model
  ms <- moments "m."
  vs <- moments "v."
  pure . Right $ runST $ do
    training <- startTraining model how (maximum (map length documents)) ps ms vs
    let inTurn = drop (from `rem` length documents) (cycle documents)
    mconcat <$> mapM (uncurry (stepLines training full)) (zip [from .. from + count - 1] inTurn)

-- | Make a step, and show what it comes to: in full, if it is one of those.
stepLines :: Training s -> [Int] -> Int -> [Token] -> ST s Builder
stepLines training full step document = do
  loss <- advance training step document
  sums <- forM shown $ \(key, numbers) -> checksumLine key <$> checksum numbers everything
  whole <- if step `notElem` full then pure [] else forM shown $ \(key, numbers) ->
    tensors (key <> ".") (trainee training) <$> copyOut numbers everything
  pure (line "step" [decimal step] <> doubleLine "loss" loss <> mconcat sums <> mconcat whole)
  where
    everything = parametersOf (trainee training)
    shown =
      [ ("gradients", gradients training)
      , ("m", firstMoments training)
      , ("v", secondMoments training)
      , ("parameters", values training)
      ]

-- * Samples

notFinite :: Reason
notFinite = "expected probabilities with a finite total above 0 and got others"

sampleVerb :: Verb
sampleVerb = do
  math <- mathLine
  shape <- configLines
  heat <- field "temperature" double
  count <- samplesLine
  let model = modelOf math shape
  ps <- parameterLines "" model
  (index, mt) <- field "state" ((,) <$> integer 0 stateSize <*> replicateM stateSize seedWord)
  second <- field "kept" (orNone double)
  pure . maybe (Left notFinite) Right $ runST $ do
    vs <- numbersFrom (drawExtent model) ps
    drawn' <- runMaybeT (runStateT (replicateM count (sample model heat vs)) (generatorWith index mt second))
    pure (sampleLines <$> drawn')
  where
    sampleLines (found, later) =
      mconcat (zipWith oneSample [0 ..] found) <> line "word" [wordDecimal (fst (runState word later))]
    oneSample i draws = line "sample" [decimal i] <> foldMap drawLines draws
    drawLines (Draw ps (Token token)) =
      line "probabilities" (map hexadecimal (Unboxed.elems ps)) <> line "token" [decimal token]

runVerb :: Verb
runVerb = do
  math <- mathLine
  preset <- field "preset" (keyword presets)
  count <- stepsLine
  wanted <- samplesLine
  documents <- documentLines
  let shorter = preset {adam = (adam preset) {steps = count}, samples = wanted}
  pure $ do
    checkVocabulary (tokenizerOf documents)
    maybe (Left notFinite) Right $ runST $ do
      said <- newSTRef []
      finished <- run math shorter documents (\text -> modifySTRef' said (text :))
      printed <- reverse <$> readSTRef said
      pure ((foldMap printLine printed <>) . endingLines <$> finished)
  where
    printLine text = line "print" (map (decimal . ord) (Text.unpack text))
    endingLines (Ending ofParameters ofM ofV next) =
      checksumLine "parameters" ofParameters
        <> checksumLine "m" ofM
        <> checksumLine "v" ofV
        <> line "word" [wordDecimal next]
