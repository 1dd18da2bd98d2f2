-- | Random numbers, tokens, the GPT, training, samples, and a whole run (SPEC, sections 3 to 10).
module MicroGPT where

import Control.Monad (foldM, forM, forM_, replicateM, zipWithM, (>=>))
import Control.Monad.Except (ExceptT, MonadError, mapExceptT, throwError)
import Control.Monad.ST (ST)
import Control.Monad.Trans.Class (lift)
import Data.Array (Array, elems, listArray, (!))
import Data.Array.Base (unsafeRead, unsafeWrite)
import Data.Array.ST (STArray, getElems, newArray, newListArray, readArray, writeArray)
import Data.Bits (countLeadingZeros, shiftL, shiftR, xor, (.&.), (.|.))
import Data.ByteString.Char8 (ByteString, isSuffixOf, pack)
import Data.Foldable (toList)
import Data.List (foldl1', transpose)
import qualified Data.Map.Strict as Map
import Data.STRef (STRef, modifySTRef', newSTRef, readSTRef, writeSTRef)
import qualified Data.Set as Set
import Data.Text (Text)
import qualified Data.Text as Text
import Data.Word (Word32)
import Functions
import Graph

-- | A sentence in printable ASCII: what was expected, and what came.
type Reason = ByteString

-- * Random numbers

-- | The Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998) as Python uses it: how many of its 624 words have been
-- used, these and all later words, those that come next, and the second number of a pair that 'gauss' has made.
data Twister = Twister !Int ![Word32] ![Word32] !(Maybe Double)

type Generator s = STRef s Twister

twister :: Int -> [Word32] -> Maybe Double -> Twister
twister index given = Twister index ws (drop index ws)
  where
    ws = given ++ zipWith3 twist ws (drop 1 ws) (drop 397 ws)
    twist here next far = let y = (here .&. 0x80000000) .|. (next .&. 0x7fffffff)
                           in far `xor` (y `shiftR` 1) `xor` (if odd y then 0x9908b0df else 0)

-- | init_by_array of the original, with a key of one word. Both passes end with word 1.
seeded :: Word32 -> Twister
seeded seed = twister 624 (0x80000000 : stir2 (last end) (1, meeting) : end) Nothing
  where
    filled = scanl (\w i -> 1812433253 * spread w + i) 19650218 [1 .. 623]
    stirred = scanl stir1 19650218 (drop 1 filled)
    meeting = stir1 (last stirred) (stirred !! 1)
    end = drop 1 (scanl stir2 meeting (zip [2 ..] (drop 2 stirred)))
    stir1 w old = (old `xor` (spread w * 1664525)) + seed
    stir2 w (i, old) = (old `xor` (spread w * 1566083941)) - i
    spread w = w `xor` (w `shiftR` 30)

word :: Generator s -> ST s Word32
word generator = do
  Twister used ws more second <- readSTRef generator
  let (index, block') = if used == 624 then (0, drop 624 ws) else (used, ws)
  writeSTRef generator $! Twister (index + 1) block' (drop 1 more) second
  pure (right 18 (left 15 0xefc60000 (left 7 0x9d2c5680 (right 11 (head more)))))
  where
    right n y = y `xor` (y `shiftR` n)
    left n mask y = y `xor` ((y `shiftL` n) .&. mask)

-- | A multiple of 2^-53 in [0, 1).
uniform :: Generator s -> ST s Double
uniform generator = fraction <$> word generator <*> word generator
  where
    fraction a b = (fromIntegral (a `shiftR` 5) * 67108864 + fromIntegral (b `shiftR` 6)) / 9007199254740992

-- | A normal number (Box and Muller, 1958, who make two at a time).
gauss :: Math -> Generator s -> Double -> ST s Double
gauss math generator sigma = do
  Twister used ws more second <- readSTRef generator
  z <- maybe twoMore (<$ writeSTRef generator (Twister used ws more Nothing)) second
  pure $! zero + z * sigma
  where
    twoMore = do
      angle <- (* 6.283185307179586) <$> uniform generator
      radius <- (\u -> sqrt (-2 * logOf math (1 - u))) <$> uniform generator
      modifySTRef' generator (\(Twister used ws more _) -> Twister used ws more (Just $! sinOf math angle * radius))
      pure (cosOf math angle * radius)

-- | One of 0, 1, … n - 1, for n > 0.
below :: Generator s -> Int -> ST s Int
below generator n = do
  drawn <- fromIntegral . (`shiftR` countLeadingZeros (fromIntegral n :: Word32)) <$> word generator
  if drawn < n then pure drawn else below generator n

shuffle :: forall s a. Generator s -> [a] -> ST s [a]
shuffle generator items = do
  order <- newListArray (0, length items - 1) items :: ST s (STArray s Int a)
  forM_ [length items - 1, length items - 2 .. 1] $ \i -> do
    j <- below generator (i + 1)
    (a, b) <- (,) <$> readArray order i <*> readArray order j
    writeArray order i b >> writeArray order j a
  getElems order

-- | An index into weights, drawn in proportion to them.
choice :: Generator s -> [Double] -> ExceptT Reason (ST s) Int
choice generator weights
  | whole > 0 && whole < 1 / 0 = search 0 (length weights - 1) . (* whole) <$> lift (uniform generator)
  | otherwise = throwError "expected weights with a finite total above 0 and got others"
  where
    cumulative = scanl1 (+) weights
    whole = last cumulative + zero
    search low high u
      | low >= high = low
      | u < cumulative !! middle = search low middle u
      | otherwise = search (middle + 1) high u
      where
        middle = (low + high) `quot` 2

-- * Tokens

type Token = Int

-- | The token of each distinct character. BOS, the last, is their number.
type Tokenizer = Map.Map Char Token

-- | The lines without the ASCII white space at their ends, but for those that are then empty.
documentsOf :: [Text] -> [Text]
documentsOf = filter (not . Text.null) . map (Text.dropAround (\c -> c == ' ' || (c >= '\t' && c <= '\r')))

tokenizerOf :: MonadError Reason m => [Text] -> m Tokenizer
tokenizerOf documents
  | null documents = throwError "expected a document and got nothing but empty lines"
  | Set.size distinct > 2047 = throwError "expected documents of 2047 distinct characters at most and got more"
  | otherwise = pure (Map.fromDistinctAscList (zip (Set.toAscList distinct) [0 ..]))
  where
    distinct = foldr (flip (Text.foldl' (flip Set.insert))) Set.empty documents

-- | With BOS at both ends.
encode :: Tokenizer -> Text -> [Token]
encode tokenizer document = [bos] ++ map (tokenizer Map.!) (Text.unpack document) ++ [bos]
  where
    bos = Map.size tokenizer

-- * Model

data Activation = ReluOnce | ReluSquared

data Config = Config
  { layers, heads, embedding, block, vocabulary :: !Int
  , activation :: !Activation
  , attention :: !(Array Int [Int]) -- for each position those to which it attends, in order, itself the last
  }

-- | Something for each matrix of parameters: its shape, its numbers, its rows in the graph.
data Model m = Model {wte, wpe, lmHead :: !m, stack :: ![Layer m]}
  deriving (Functor, Foldable, Traversable)

data Layer m = Layer {attnWq, attnWk, attnWv, attnWo, mlpFc1, mlpFc2 :: !m}
  deriving (Functor, Foldable, Traversable)

data Shape = Shape {name :: !ByteString, rowCount, columnCount :: !Int}

type Matrix = Array Int Row

shapes :: Config -> Model Shape
shapes (Config count _ e b v _ _) =
  Model (Shape "wte" v e) (Shape "wpe" b e) (Shape "lm_head" v e) (map layer [0 .. count - 1])
  where
    layer i = Layer (attn "q") (attn "k") (attn "v") (attn "o") (shape "mlp_fc1" (4 * e) e) (shape "mlp_fc2" e (4 * e))
      where
        attn letter = shape ("attn_w" <> letter) e e
        shape called = Shape ("layer" <> pack (show i) <> "." <> called)

parameterCount :: Config -> Int
parameterCount shape = sum [rowCount m * columnCount m | m <- toList (shapes shape)]

-- | A model on a graph, whose first nodes are the parameters, and the moments of these.
data Network s = Network
  {config :: !Config, graph :: !(Graph s), model :: !(Model Matrix), firstMoments, secondMoments :: !(Doubles s)}

newNetwork :: Math -> Config -> Model [[Double]] -> ST s (Network s)
newNetwork math shape numbers = do
  nodes <- newGraph math
  rows <- build nodes (mapM (mapM (mapM leaf)) numbers >>= mapM (fmap matrix . mapM row))
  Network shape nodes rows <$> zeros <*> zeros
  where
    matrix rows' = listArray (0, length rows' - 1) rows'
    zeros = newArray (0, parameterCount shape - 1) 0

-- | The numbers of a training under their keys.
numbersOf :: Network s -> ST s [(ByteString, [Double])]
numbersOf Network {..} = build graph valuesAndGradients >>= \(ps, gs) ->
  zip ["gradients", "m", "v", "parameters"] <$> mapM first [gs, firstMoments, secondMoments, ps]
  where
    first numbers = mapM (unsafeRead numbers) [0 .. parameterCount config - 1]

linear :: Matrix -> [Node] -> Build s [Node]
linear matrix x = row x >>= \xs -> mapM (`dot` xs) (elems matrix)

-- | The vector over its root mean square (Zhang and Sennrich, 2019).
rmsnorm :: [Node] -> Build s [Node]
rmsnorm x = do
  xs <- row x
  scale <- dot xs xs >>= overNumber (fromIntegral (length x)) >>= plus 0.00001 >>= power (-0.5)
  mapM (`mul` scale) x

-- | Shifted by the greatest logit, a constant, so that no exponential is too large.
softmax :: [Node] -> Build s [Node]
softmax logits = do
  shift <- mapM value logits >>= leaf . negate . foldl1' (\top x -> if x > top then x else top)
  exps <- mapM ((`add` shift) >=> exponential) logits
  total exps >>= powers (length exps) (-1) >>= zipWithM mul exps

-- | The keys and values of one layer: for each position, for each head.
type Cache = Map.Map Int [(Row, [Node])]

-- | Is told each intermediate result, under its name.
type Watch s = String -> [Node] -> Build s ()

unwatched :: Watch s
unwatched _ _ = pure ()

-- | The logits for what follows a token, given what each layer has cached of the positions before.
gpt :: Watch s -> Config -> Model Matrix -> [Cache] -> Int -> Token -> Build s ([Node], [Cache])
gpt watch shape model caches t token = do
  let embedded = zipWithM add (nodesOf (wte model ! token)) (nodesOf (wpe model ! t))
  x <- embedded >>= seen "embedded" >>= rmsnorm >>= seen "normed"
  (final, later) <- foldM throughLayer (x, []) (zip3 [0 :: Int ..] (stack model) caches)
  logits <- linear (lmHead model) final >>= seen "logits"
  pure (logits, reverse later)
  where
    seen called x = x <$ watch called x
    perHead = chunksOf (embedding shape `quot` heads shape)
    activate = case activation shape of
      ReluOnce -> relu
      ReluSquared -> relu >=> power 2
    throughLayer (x, later) (i, Layer {..}, before) = do
      let noted called = seen ("layer" ++ show i ++ "." ++ called)
      norm <- rmsnorm x >>= noted "attn_norm"
      q <- linear attnWq norm >>= noted "q"
      k <- linear attnWk norm >>= noted "k" >>= mapM row . perHead
      v <- linear attnWv norm >>= noted "v"
      let cache = Map.insert t (zip k (perHead v)) before
          attended = transpose (map (cache Map.!) (attention shape ! t))
      mixed <- forM (zip3 [0 :: Int ..] (perHead q) attended) $ \(h, query, cached) ->
        attend (\called -> noted ("head" ++ show h ++ "." ++ called)) query cached
      residual <- linear attnWo (concat mixed) >>= noted "attn_out" >>= flip (zipWithM add) x >>= noted "attn_residual"
      hidden <- rmsnorm residual >>= noted "mlp_norm" >>= linear mlpFc1 >>= noted "hidden"
      out <- mapM activate hidden >>= noted "activated" >>= linear mlpFc2 >>= noted "mlp_out"
      new <- zipWithM add out residual >>= noted "mlp_residual"
      pure (new, cache : later)

-- | One head's query meets keys and values.
attend :: (String -> [Node] -> Build s [Node]) -> [Node] -> [(Row, [Node])] -> Build s [Node]
attend noted query cached = do
  q <- row query
  size <- (\math -> powOf math (fromIntegral (length query)) 0.5) <$> functions
  weights <- mapM (dot q . fst >=> overNumber size) cached >>= noted "scores" >>= softmax >>= noted "weights" >>= row
  mapM (row >=> dot weights) (transpose (map snd cached)) >>= noted "mixed"

chunksOf :: Int -> [a] -> [[a]]
chunksOf _ [] = []
chunksOf n list = let (chunk, more) = splitAt n list in chunk : chunksOf n more

-- | The mean surprise of a document's positions at what follows them. The document has BOS at both ends.
documentLoss :: Watch s -> Network s -> [Token] -> Build s Node
documentLoss watch Network {..} document = do
  (losses, _) <- foldM position ([], Map.empty <$ stack model) (zip3 [0 .. block config - 1] document (drop 1 document))
  total (reverse losses) >>= times (1 / fromIntegral (length losses))
  where
    position (losses, caches) (t, token, target) = do
      let noting called = watch ("pos" ++ show t ++ "." ++ called)
      (logits, later) <- gpt noting config model caches t token
      probabilities <- softmax logits
      noting "probabilities" probabilities
      loss <- logarithm (probabilities !! target) >>= negated
      (loss : losses, later) <$ noting "loss" [loss]

-- * Training

data Schedule = LinearFall | CosineFall

-- | Adam (Kingma and Ba, 2015), with a rate that falls.
data Optimizer = Optimizer {learningRate, beta1, beta2, epsilon :: !Double, schedule :: !Schedule, steps :: !Int}

-- | Rate and corrections for a step, counted from 0.
factorsAt :: Math -> Optimizer -> Int -> (Double, Double, Double)
factorsAt math Optimizer {..} step = (rate, 1 - powOf math beta1 (s + 1), 1 - powOf math beta2 (s + 1))
  where
    (s, n) = (fromIntegral step, fromIntegral steps)
    rate = case schedule of
      LinearFall -> learningRate * (1 - s / n)
      CosineFall -> (learningRate * 0.5) * (1 + cosOf math ((3.141592653589793 * s) / n))

-- | New parameters and moments: of so many parameters, given their gradients, m and v.
update :: Math -> Optimizer -> Int -> Int -> Doubles s -> Doubles s -> Doubles s -> Doubles s -> ST s ()
update math how@Optimizer {..} step count ps gs ms vs = forM_ [0 .. count - 1] $ \i -> do
  g <- unsafeRead gs i
  m <- (\old -> beta1 * old + (1 - beta1) * g) <$> unsafeRead ms i
  v <- (\old -> beta2 * old + (1 - beta2) * powOf math g 2) <$> unsafeRead vs i
  p <- unsafeRead ps i
  unsafeWrite ms i m >> unsafeWrite vs i v
  unsafeWrite ps i (p - (rate * (m / correction1)) / (powOf math (v / correction2) 0.5 + epsilon))
  where
    (!rate, !correction1, !correction2) = factorsAt math how step

-- | One step, counted from 0, on one document: the loss before the update. The gradients stay to be looked at.
advance :: Optimizer -> Network s -> Int -> [Token] -> ST s Double
advance how network@Network {..} step document = build graph $ do
  valuesAndGradients >>= \(_, before) -> lift (forM_ [0 .. count - 1] (\i -> unsafeWrite before i 0))
  loss <- scratch (documentLoss unwatched network document >>= \loss -> backward loss >> value loss)
  (ps, gs) <- valuesAndGradients
  loss <$ (functions >>= \math -> lift (update math how step count ps gs firstMoments secondMoments))
  where
    count = parameterCount config

-- * Samples

-- | A sample at a temperature: each position's probabilities, and the token that was drawn, the ending BOS included.
sample :: Network s -> Double -> Generator s -> ExceptT Reason (ST s) [([Double], Token)]
sample Network {..} temperature generator = mapExceptT (build graph . scratch) (from 0 (Map.empty <$ stack model) bos)
  where
    bos = vocabulary config - 1
    from t caches token
      | t >= block config = pure []
      | otherwise = do
          (logits, later) <- lift (gpt unwatched config model caches t token)
          probabilities <- lift (mapM (overNumber temperature) logits >>= softmax >>= mapM value)
          next <- mapExceptT lift (choice generator probabilities)
          ((probabilities, next) :) <$> if next == bos then pure [] else from (t + 1) later next

-- * A whole run

-- | Everything about a run but its documents. The shape waits for the size of the vocabulary; the sigmas are those of
-- the first parameters, and of those among them that lead back into the residual.
data Preset = Preset
  {shapeFor :: Int -> Config, adam :: Optimizer, sigma, outputSigma, temperature :: Double, samples :: Int}

presets :: [(ByteString, Preset)]
presets =
  [ ("seed", Preset (shape 8 ReluSquared) (Optimizer 0.01 0.9 0.95 1e-8 CosineFall 500) 0.02 0 0.5 20)
  , ("classic", Preset (shape 16 ReluOnce) (Optimizer 0.01 0.85 0.99 1e-8 LinearFall 1000) 0.08 0.08 0.5 20)
  ]
  where
    shape size kind known = Config 1 4 16 size known kind (listArray (0, size - 1) [[0 .. t] | t <- [0 .. size - 1]])

-- | From lines to samples, given what to do with each line of text. What was trained is left, and the generator.
run :: Math -> Preset -> [Text] -> (Text -> ST s ()) -> ExceptT Reason (ST s) (Network s, Generator s)
run math Preset {..} text say = do
  let documents = documentsOf text
  tokenizer <- tokenizerOf documents
  generator <- lift (newSTRef (seeded 42))
  shuffled <- lift (shuffle generator documents)
  let shape = shapeFor (Map.size tokenizer + 1)
  network <- lift (mapM (drawn generator) (shapes shape) >>= newNetwork math shape)
  lift $ do
    say ("num docs: " <> wide 0 (length documents))
    say ("vocab size: " <> wide 0 (vocabulary shape))
    say ("num params: " <> wide 0 (parameterCount shape))
    forM_ (zip [1 .. steps adam] (cycle shuffled)) $ \(step, document) -> do
      loss <- advance adam network (step - 1) (encode tokenizer document)
      say ("step " <> wide 4 step <> " / " <> wide 4 (steps adam) <> " | loss " <> decimals loss)
    mapM_ say ["", "--- inference (new, hallucinated names) ---"]
  forM_ [1 .. samples] $ \i -> do
    draws <- sample network temperature generator
    let letters = [fst (Map.elemAt token tokenizer) | (_, token) <- draws, token < Map.size tokenizer]
    lift (say ("sample " <> wide 2 i <> ": " <> Text.pack letters))
  pure (network, generator)
  where
    drawn generator Shape {..} = replicateM rowCount (replicateM columnCount (gauss math generator (sigmaOf name)))
    sigmaOf called = if any (`isSuffixOf` called) ["attn_wo", "mlp_fc2"] then outputSigma else sigma
    wide width = Text.justifyRight width ' ' . Text.pack . show

-- | Four decimals, rounded from the exact value, ties to even.
decimals :: Double -> Text
decimals x
  | isNaN x = "nan"
  | x < 0 || isNegativeZero x = "-" <> decimals (negate x)
  | isInfinite x = "inf"
  | otherwise = Text.pack (show whole) <> "." <> Text.justifyRight 4 '0' (Text.pack (show part))
  where
    (whole, part) = (round (toRational x * 10000) :: Integer) `quotRem` 10000
