{-# LANGUAGE LambdaCase #-}
{-# LANGUAGE OverloadedStrings #-}

-- | The verbs that need no model: arith, math, random, tokens and graph (SPEC, section 12, levels 2 to 6).
module NumberVerbs
  ( arith
  , mathematics
  , random
  , tokens
  , graph
  ) where

import Control.Monad (foldM, join, replicateM, when)
import Control.Monad.State.Strict (StateT, evalStateT, runState, state)
import Data.ByteString (ByteString)
import Data.ByteString.Builder (Builder)
import qualified Data.ByteString.Char8 as Char8
import Data.Char (ord)
import Data.Foldable (foldl')
import Data.Sequence (Seq, (|>))
import qualified Data.Sequence as Seq
import Functions
import Graph (Build, NodeId)
import qualified Graph
import Lines
import Model (Token (..))
import Numbers (zero)
import Random
import Tokens
import Wire

-- * Arithmetic and functions

-- | A line, and its answer under the same key.
answered :: ByteString -> Values Double -> (ByteString, Values Builder)
answered key values = (key, doubleLine key <$> values)

arith :: Verb
arith = Right . mconcat <$> untilEnd (oneOf operations)
  where
    operations =
      [ answered "add" ((+) <$> double <*> double)
      , answered "sub" ((-) <$> double <*> double)
      , answered "mul" ((*) <$> double <*> double)
      , answered "div" ((/) <$> double <*> double)
      , answered "sqrt" (sqrt <$> double)
      , answered "muladd" ((\x y z -> x * y + z) <$> double <*> double <*> double)
      , answered "sum" (total <$> oneOrMore double)
      , answered "dot" (total <$> oneOrMore ((*) <$> double <*> double))
      ]
    total = foldl' (+) zero

oneOrMore :: Values a -> Values [a]
oneOrMore values = (:) <$> values <*> remaining values

mathematics :: Verb
mathematics = do
  math <- mathLine
  Right . mconcat <$> untilEnd (oneOf (functions math))
  where
    functions math =
      [ answered "exp" (expOf math <$> double)
      , answered "log" (logOf math <$> double)
      , answered "sin" (sinOf math <$> angle)
      , answered "cos" (cosOf math <$> angle)
      , answered "pow" (powOf math <$> double <*> exponentUpTo 4096)
      ]
    angle = doubleThat "an angle from -8 to 8" (\x -> not (abs x > 8))

exponentUpTo :: Int -> Values Double
exponentUpTo limit = doubleThat ("an integer or half-integer up to " <> Char8.pack (show limit)) $ \y ->
  abs y <= fromIntegral limit && 2 * y == fromIntegral (truncate (2 * y) :: Int)

-- * Random numbers

-- | Draws that may fail.
type Drawing = StateT Generator (Either Reason)

random :: Verb
random = do
  math <- mathLine
  seed <- field "seed" seedWord
  draws <- untilEnd (oneOf (drawsWith math))
  pure (evalStateT (mconcat <$> sequence draws) (seeded seed))

drawsWith :: Math -> [(ByteString, Values (Drawing Builder))]
drawsWith math =
  [ ("words", repeatedly "words" (wordDecimal <$> word) <$> count)
  , ("random", repeatedly "random" (hexadecimal <$> uniform) <$> count)
  , ("gauss", (\n sigma -> repeatedly "gauss" (hexadecimal <$> gauss math sigma) n) <$> count <*> double)
  , ("shuffle", (\n -> drawing (line "shuffle" . map decimal <$> shuffle [0 .. n - 1])) <$> integer 0 10000)
  , ("choices", choices <$> count <*> weightList)
  , ("state", pure (drawing (state (\generator -> (stateLines generator, generator)))))
  ]
  where
    count = integer 0 1000
    repeatedly key draw n = drawing (line key <$> replicateM n draw)
    drawing = state . runState
    choices n weights = line "choices" <$> replicateM n (chosen weights)
    chosen weights = drawing (choice weights) >>= maybe (failing noTotal) (pure . decimal)
    noTotal = "expected weights with a finite total above 0 and got others"
    weightList = do
      weights <- oneOrMore double
      when (length weights > 1000) (failing "expected 1000 weights at most")
      pure weights

stateLines :: Generator -> Builder
stateLines generator =
  line "state" (decimal (used generator) : map wordDecimal (wordsOfState generator))
    <> line "kept" [maybe "none" hexadecimal (kept generator)]

-- * Tokens

tokens :: Verb
tokens = do
  documents <- documentLines
  let tokenizer = tokenizerOf documents
      encoded document = line "encoded" [decimal token | Token token <- encode tokenizer document]
  pure $ do
    checkVocabulary tokenizer
    Right $
      line "documents" [decimal (length documents)]
        <> line "vocabulary" (map (decimal . ord) (characters tokenizer))
        <> line "bos" [decimal (vocabularySize tokenizer - 1)]
        <> foldMap encoded documents

-- * Graphs

-- | Makes a node, when it is told what the numbers of earlier expressions stand for.
type Expression = (Int -> NodeId) -> Build NodeId

graph :: Verb
graph = do
  math <- mathLine
  first <- oneOf [leafLine]
  (expressions, root) <- furtherExpressions math 1
  let (nodes, whole) = runState (foldM construct Seq.empty (first : expressions)) Graph.emptyGraph
      gradients = Graph.gradientsFrom (Seq.index nodes root) whole
  pure . Right $
    foldMap (\node -> doubleLine "value" (Graph.valueOf node whole)) nodes
      <> foldMap (doubleLine "gradient" . Graph.gradientOf gradients) nodes
  where
    construct :: Seq NodeId -> Expression -> Build (Seq NodeId)
    construct nodes expression = (nodes |>) <$> expression (Seq.index nodes)

-- | All expressions when there are so many before, and the root.
furtherExpressions :: Math -> Int -> Parser ([Expression], Int)
furtherExpressions math count =
  oneOf (rootLine : map (fmap (fmap Right)) (expressionLines math count)) >>= \case
    Left root -> pure ([], root)
    Right expression -> do
      (more, root) <- furtherExpressions math (count + 1)
      pure (expression : more, root)
  where
    rootLine = ("root", Left <$> integer 0 (count - 1))

leafLine :: (ByteString, Values Expression)
leafLine = ("leaf", (\x _ -> Graph.leaf x) <$> double)

expressionLines :: Math -> Int -> [(ByteString, Values Expression)]
expressionLines math count =
  [ leafLine
  , ("add", binary Graph.plus)
  , ("sub", binary Graph.minus)
  , ("mul", binary Graph.times)
  , ("div", binary (Graph.over math))
  , ("neg", unary Graph.negated)
  , ("pow", withNumber (exponentUpTo 1024) (flip (Graph.power math)))
  , ("exp", unary (Graph.exponential math))
  , ("log", unary (Graph.logarithm math))
  , ("relu", unary Graph.rectified)
  , ("sum", (\first more node -> Graph.total (node first) (map node more)) <$> earlier <*> remaining earlier)
  , ("add_number", withNumber double (\a c -> Graph.leaf c >>= Graph.plus a))
  , ("sub_number", withNumber double (\a c -> Graph.leaf (negate c) >>= Graph.plus a))
  , ("mul_number", withNumber double (\a c -> Graph.leaf c >>= Graph.times a))
  , ("div_number", withNumber double (\a c -> Graph.leaf (powOf math c (-1)) >>= Graph.times a))
  , ("number_sub", withNumber double (\a c -> join (Graph.plus <$> Graph.negated a <*> Graph.leaf c)))
  , ("number_div", withNumber double (\a c -> join (Graph.times <$> inverse a <*> Graph.leaf c)))
  ]
  where
    earlier = integer 0 (count - 1)
    inverse = Graph.power math (-1)
    unary make = (\a node -> make (node a)) <$> earlier
    binary make = (\a b node -> make (node a) (node b)) <$> earlier <*> earlier
    withNumber number make = (\a c node -> make (node a) c) <$> earlier <*> number
