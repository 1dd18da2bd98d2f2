-- | The computations of SPEC, sections 6, 7 and 9, written down as programs for the tape.
--
-- The order of the instructions decides the bits of the gradients. The specification adds them up in the
-- reverse of the depth-first post-order from the loss; the tape goes back through the instructions. Both
-- agree if every number meets its consumers in the same order. That is so for these reasons, each about the
-- walk from the loss, left before right:
--
-- * The loss is a sum from the left, so the walk is done with one position before it begins the next. As each
--   position attends to itself, all of its keys and values are done by then too.
-- * Within a position it first asks for the target's probability, and so for the target's logit. The other
--   logits follow when it comes to the total. So the target's row of lm_head comes first.
-- * A row of a linear asks for its vector from the left, and the first row asks for all of it. The elements
--   of a vector do not need one another's consumers, so consumers come row by row.
-- * rmsnorm needs the scale, and so all squares, before its first product is done. A residual sum asks for
--   the block's result before the block's input.
-- * attn_wo asks for one head after another. A head's first sum asks for its first weight, that for a score,
--   and that for the query with an earlier key, one by one: so the head's rows of wq come first, then, with
--   the position's own score, its rows of wk, and last, as the right factors of the mixture, its rows of wv.
--   But a position that attends to nothing but itself asks for query and key in turns.
-- * The first quotient of a softmax asks for the total before it is done: so the exponentials meet the total
--   first.
module Network
  ( Program (..)
  , Checkpoint (..)
  , documentProgram
  , drawProgram
  , drawExtent
  ) where

import Control.Monad (forM, forM_, zipWithM_)
import Control.Monad.State.Strict (State, modify', runState, state)
import Data.Array (bounds, (!))
import Data.Array.Base (numElements)
import Data.ByteString (ByteString)
import qualified Data.ByteString.Char8 as Char8
import Data.List (maximumBy)
import Data.Ord (comparing)
import Functions
import Model
import Numbers
import Tape (Instruction (..), Rows (Rows))

-- * Writing programs

data Program = Program
  { instructions :: [Instruction]
  , fromTheBack :: [Instruction]
  -- ^ the same in reverse
  , checkpoints :: [Checkpoint]
  , outcome :: !Span
  -- ^ the loss, or probabilities
  , extent :: !Int
  -- ^ how many slots there must be
  }

-- | A result that somebody may want to see, under its name in the protocol.
data Checkpoint = Checkpoint ByteString Span

data Draft = Draft
  { nextSlot :: !Slot
  , written :: ![Instruction]
  , noted :: ![Checkpoint]
  }

type Writing = State Draft

-- | What is written, with results in the slots from one on.
program :: Slot -> Writing Span -> Program
program from writing =
  Program
    { instructions = reverse (written draft)
    , fromTheBack = written draft
    , checkpoints = reverse (noted draft)
    , outcome = end
    , extent = used
    }
  where
    (end, draft) = runState writing (Draft from [] [])
    Slot used = nextSlot draft

-- | New slots side by side.
numbers :: Int -> Writing Span
numbers count = state $ \draft ->
  let from = nextSlot draft
   in (Span from count, draft {nextSlot = from +> count})

number :: Writing Slot
number = start <$> numbers 1

write :: Instruction -> Writing ()
write instruction = modify' (\draft -> draft {written = instruction : written draft})

-- | New slots for the result of an instruction.
into :: Int -> (Span -> Instruction) -> Writing Span
into count instruction = do
  new <- numbers count
  write (instruction new)
  pure new

-- | The name is made only if somebody looks at it: training does not pay for it.
note :: String -> Span -> Writing ()
note called vector = modify' (\draft -> draft {noted = Checkpoint (Char8.pack called) vector : noted draft})

-- * Building blocks

rmsnorm :: Span -> Writing Span
rmsnorm x = do
  mean <- number
  root <- number
  into (size x) (\new -> Rmsnorm {result = new, input = start x, meanSquare = mean, scale = root})

-- | Some rows of a matrix, times a vector.
linearRows :: Matrix -> Int -> Span -> Span -> Writing ()
linearRows matrix first results x =
  write (Linear {result = results, weights = origin matrix +> first * columnCount matrix, vector = x})

linear :: Matrix -> Span -> Writing Span
linear matrix x = do
  new <- numbers (rowCount matrix)
  linearRows matrix 0 new x
  pure new

softmax :: Span -> Writing Span
softmax x = do
  exponentials <- numbers (size x)
  sum' <- number
  into (size x) (\new -> Softmax {result = new, exps = start exponentials, total = sum', input = start x})

plus :: Span -> Span -> Writing Span
plus a b = into (size a) (\new -> Sum {result = new, left = start a, right = start b})

-- * One position

-- | Where a layer keeps keys and values: one row for each position.
data Cache = Cache
  { keys, values :: !Slot
  }

-- | Behind the parameters, room for the keys and values of so many positions in each layer; and the slot
-- behind.
cachesFor :: Model -> Int -> ([Cache], Slot)
cachesFor model count = (take (layers shape) (map cache [0 ..]), free +> 2 * layers shape * room)
  where
    shape = config model
    room = count * embedding shape
    free = start everything +> size everything
    everything = parametersOf model
    cache i = Cache (free +> 2 * i * room) (free +> (2 * i + 1) * room)

-- | The logits for what follows a token. The target's row is written before the others.
logitsAt :: Model -> [Cache] -> Int -> Token -> Token -> Writing Span
logitsAt model caches t (Token token) (Token target) = do
  let e = embedding (config model)
      row matrix i = Span (origin matrix +> i * e) e
  embedded <- plus (row (wte model) token) (row (wpe model) t)
  noteAt "embedded" embedded
  normed <- rmsnorm embedded
  noteAt "normed" normed
  final <- throughLayers (zip3 [0 ..] (stack model) caches) normed
  logits <- numbers (vocabulary (config model))
  let rows first count = linearRows (lmHead model) first (slice first count logits) final
  rows target 1
  rows 0 target
  rows (target + 1) (size logits - target - 1)
  noteAt "logits" logits
  pure logits
  where
    noteAt called = note ("pos" ++ show t ++ "." ++ called)
    throughLayers [] x = pure x
    throughLayers ((i, layer, cache) : more) x = do
      let noteIn called = noteAt ("layer" ++ show (i :: Int) ++ "." ++ called)
      attended <- attentionBlock noteIn model layer cache t x
      perceptronBlock noteIn model layer attended >>= throughLayers more

type Note = String -> Span -> Writing ()

attentionBlock :: Note -> Model -> Layer -> Cache -> Int -> Span -> Writing Span
attentionBlock noteIn model layer cache t x = do
  norm <- rmsnorm x
  noteIn "attn_norm" norm
  mixed <- attend noteIn model layer cache t norm
  out <- linear (attnWo layer) mixed
  noteIn "attn_out" out
  residual <- plus out x
  noteIn "attn_residual" residual
  pure residual

perceptronBlock :: Note -> Model -> Layer -> Span -> Writing Span
perceptronBlock noteIn model layer x = do
  norm <- rmsnorm x
  noteIn "mlp_norm" norm
  hidden <- linear (mlpFc1 layer) norm
  noteIn "hidden" hidden
  activated <- into (size hidden) $ \new -> case activation (config model) of
    ReluOnce -> Relu {result = new, input = start hidden}
    ReluSquared -> SquaredRelu {result = new, input = start hidden}
  noteIn "activated" activated
  out <- linear (mlpFc2 layer) activated
  noteIn "mlp_out" out
  residual <- plus out x
  noteIn "mlp_residual" residual
  pure residual

-- | All heads, side by side in the result.
attend :: Note -> Model -> Layer -> Cache -> Int -> Span -> Writing Span
attend noteIn model layer cache t x = do
  q <- numbers e
  mixed <- numbers e
  let k = Span (keys cache +> t * e) e
      v = Span (values cache +> t * e) e
  seen <- forM [0 .. heads shape - 1] $ \h -> do
    let from = h * part
        ofHead = slice from part
        rowsOf matrix first count results = linearRows matrix first (slice first count results) x
        together = if numElements listed == 1 then 1 else part
    forM_ [from, from + together .. from + part - 1] $ \first -> do
      rowsOf (attnWq layer) first together q
      rowsOf (attnWk layer) first together k
    scores <- into (numElements listed) $ \new ->
      Scores
        { result = new
        , query = start (ofHead q)
        , width = part
        , attended = Rows (keys cache +> from) e listed
        , factor = power (power (fromIntegral part) 0.5) (-1)
        }
    weighted <- softmax scores
    rowsOf (attnWv layer) from part v
    write $
      Mixture
        { result = ofHead mixed
        , mixing = start weighted
        , attended = Rows (values cache +> from) e listed
        }
    pure [("scores", scores), ("weights", weighted), ("mixed", ofHead mixed)]
  zipWithM_ noteIn ["q", "k", "v"] [q, k, v]
  forM_ (zip [0 :: Int ..] seen) $ \(h, results) ->
    forM_ results (\(called, vector) -> noteIn ("head" ++ show h ++ "." ++ called) vector)
  pure mixed
  where
    shape = config model
    e = embedding shape
    part = e `quot` heads shape
    listed = attention shape ! t
    power = powOf (mathOf model)

-- * Documents and samples

-- | From a document, two tokens or more with what stands at its ends, to its loss.
documentProgram :: Model -> [Token] -> Program
documentProgram model tokens = program free $ do
  losses <- numbers count
  zipWithM_ (position losses) [0 .. count - 1] (zip tokens (drop 1 tokens))
  into 1 (\new -> Mean {loss = start new, losses = losses})
  where
    count = min (block (config model)) (length tokens - 1)
    (caches, free) = cachesFor model count
    position losses t (token, target) = do
      logits <- logitsAt model caches t token target
      exponentials <- numbers (size logits)
      sum' <- number
      quotients <- numbers (size logits)
      let Token chosen = target
          own = slice t 1 losses
      write $
        Surprise
          { loss = start own
          , exps = start exponentials
          , total = sum'
          , input = start logits
          , probabilities = quotients
          , target = chosen
          }
      note ("pos" ++ show t ++ ".probabilities") quotients
      note ("pos" ++ show t ++ ".loss") own

-- | From a token at a position to the probabilities of the next, at a temperature. The caches hold what the
-- programs for the positions before have left there.
drawProgram :: Model -> Double -> Int -> Token -> Program
drawProgram model temperature t token = program free $ do
  logits <- logitsAt model caches t token (Token 0)
  cooled <- into (size logits) $ \new ->
    Scaled {result = new, input = start logits, factor = powOf (mathOf model) temperature (-1)}
  softmax cooled
  where
    (caches, free) = cachesFor model (block (config model))

-- | How many slots are enough for every position's 'drawProgram': for the position that attends to most.
drawExtent :: Model -> Int
drawExtent model = extent (drawProgram model 1 busiest (Token 0))
  where
    table = attention (config model)
    busiest = maximumBy (comparing (numElements . (table !))) [0 .. snd (bounds table)]
