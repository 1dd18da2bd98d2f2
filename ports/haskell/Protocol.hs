-- | Requests and replies: their form (SPEC, section 11), and the verbs (section 12).
module Protocol (replies) where

import Control.Monad (forM, guard, join, replicateM, unless)
import Control.Monad.Except (ExceptT, runExceptT, throwError)
import Control.Monad.ST (ST, runST)
import Control.Monad.State.Strict (StateT, evalState, evalStateT, get, gets, lift, put, state)
import Data.Array (listArray)
import Data.Array.ST (getElems, newListArray)
import Data.Bits (shiftL, shiftR, (.&.), (.|.))
import Data.ByteString.Builder (Builder, byteString, intDec, word32Dec, word32HexFixed, word64HexFixed)
import Data.ByteString.Char8 (ByteString)
import qualified Data.ByteString.Char8 as Char8
import Data.Char (chr, digitToInt, isAlphaNum, isDigit, ord)
import Data.Foldable (fold, foldl')
import qualified Data.Map.Strict as Map
import Data.STRef (modifySTRef', newSTRef, readSTRef)
import Data.Text (Text)
import qualified Data.Text as Text
import Functions
import GHC.Float (castDoubleToWord64, castWord64ToDouble)
import Graph
import MicroGPT

-- * Requests

-- | One reply for each request, made as soon as the request has ended.
replies :: [ByteString] -> [Builder]
replies [] = []
replies input = reply : replies (drop 1 rest)
  where
    (request, rest) = break (== "end") input
    reply = case Char8.split ' ' <$> filter isWellFormed (take 1 request) of
      [[verb, called]] | Char8.length called <= 64, Char8.all isIdCharacter called ->
        either (refusal called) (\body -> line "ok" [byteString called] <> body <> line "end" []) $
          if null rest then Left "the input ended before the line end" else answer verb (drop 1 request)
      _ -> refusal "-" "expected a verb and an id of 1 to 64 letters digits . _ -"
    isIdCharacter c = isAlphaNum c || c `Char8.elem` "._-"
    refusal called reason = line "error" [byteString called, byteString reason] <> line "end" []

answer :: ByteString -> [ByteString] -> Either Reason Builder
answer verb body = runST (runExceptT (maybe (throwError "unsupported") parsed (lookup verb verbs)))
  where
    parsed parser
      | all isWellFormed body = evalStateT (parser <* finished) (concatMap ((<> ["\n"]) . Char8.split ' ') body)
      | otherwise = throwError "expected words with single spaces between them and 65536 bytes at most in a line"

isWellFormed :: ByteString -> Bool
isWellFormed text =
  Char8.length text <= 65536 && all isWord (Char8.split ' ' text)
  where
    isWord part = not (Char8.null part) && Char8.all (\c -> c > ' ' && c <= '~') part

-- | Takes the words of a request, and works on the way. "\n" is the end of a line.
type Parser s = StateT [ByteString] (ExceptT Reason (ST s))

work :: ST s a -> Parser s a
work = lift . lift

check :: ByteString -> Bool -> Parser s ()
check expected fine = unless fine (throwError ("expected " <> expected))

-- | The next word, if it is as expected.
item :: ByteString -> (ByteString -> Maybe a) -> Parser s a
item expected parse = get >>= \case
  next : rest | Just a <- parse next -> a <$ put rest
  next : _ | next /= "\n" -> throwError ("expected " <> expected <> " and got " <> Char8.take 40 next)
  _ -> throwError ("expected " <> expected)

finished :: Parser s ()
finished = gets null >>= \done -> unless done (item "the end" (const Nothing))

-- | One of these words, and what it stands for.
keyword :: [(ByteString, a)] -> Parser s a
keyword choices = item (Char8.take 100 (Char8.intercalate " or " (map fst choices))) (`lookup` choices)

-- | A line with one of these keys.
oneOf :: [(ByteString, Parser s a)] -> Parser s a
oneOf choices = join (keyword choices) <* item "the end of the line" (guard . (== "\n"))

field :: ByteString -> Parser s a -> Parser s a
field key values = oneOf [(key, values)]

-- | Again and again while what comes next is like that.
while :: (ByteString -> Bool) -> Parser s a -> Parser s [a]
while likely parser = gets (any likely . take 1) >>= \case
  True -> (:) <$> parser <*> while likely parser
  False -> pure []

-- | All values that are left in the line; and of all that are left, at least one.
remaining, oneOrMore :: Parser s a -> Parser s [a]
remaining = while (/= "\n")
oneOrMore values = (:) <$> values <*> remaining values

-- | Lines of one key.
several :: ByteString -> Parser s a -> Parser s [a]
several key values = (:) <$> field key values <*> while (== key) (field key values)

-- | Lines down to the end, with an answer for each.
answers :: [(ByteString, Parser s Builder)] -> Parser s Builder
answers choices = (<>) <$> oneOf choices <*> (fold <$> while (const True) (oneOf choices))

integer :: Int -> Int -> Parser s Int
integer low high = item ("an integer from " <> shown low <> " to " <> shown high) $ \text -> do
  (n, "") <- Char8.readInt text
  n <$ guard (low <= n && n <= high && text == shown n)
  where
    shown = Char8.pack . show

-- | Every NaN that is read becomes the same quiet one.
double :: Parser s Double
double = item "a double of 16 lower-case hex digits" $ \text -> do
  guard (Char8.length text == 16 && Char8.all (\c -> isDigit c || (c >= 'a' && c <= 'f')) text)
  let x = castWord64ToDouble (Char8.foldl' (\n c -> n `shiftL` 4 .|. fromIntegral (digitToInt c)) 0 text)
  pure (if isNaN x then 0 / 0 else x)

doubleThat :: ByteString -> (Double -> Bool) -> Parser s Double
doubleThat expected fits = double >>= \x -> x <$ check expected (fits x)

-- | The rows of a tensor of this name and shape.
tensorOf :: ByteString -> Shape -> Parser s [[Double]]
tensorOf prefix (Shape called rows columns) = do
  field "tensor" (keyword [(prefix <> called, ())] <* integer rows rows <* integer columns columns)
  replicateM rows (field "row" (replicateM columns double))

-- * Replies

line :: ByteString -> [Builder] -> Builder
line key given = byteString key <> foldMap (" " <>) given <> "\n"

doubles :: ByteString -> [Double] -> Builder
doubles key = line key . map (\x -> if isNaN x then "7ff8000000000000" else word64HexFixed (castDoubleToWord64 x))

integers :: ByteString -> [Int] -> Builder
integers key = line key . map intDec

textLine :: ByteString -> Text -> Builder
textLine key = integers key . map ord . Text.unpack

tensor :: Shape -> [Double] -> Builder
tensor (Shape called rows columns) numbers =
  line "tensor" [byteString called, intDec rows, intDec columns] <> foldMap (doubles "row") (chunksOf columns numbers)

-- | One tensor for each matrix.
tensors :: ByteString -> Config -> [Double] -> Builder
tensors prefix shape = fold . evalState (mapM one (shapes shape))
  where
    one m = tensor m {name = prefix <> name m} <$> state (splitAt (rowCount m * columnCount m))

-- | SPEC, section 13.
checksum :: ByteString -> [Double] -> Builder
checksum key numbers = line key [word32HexFixed (fromIntegral a), word32HexFixed (fromIntegral b)]
  where
    (a, b) = foldl' include (1, 0) (concatMap halves numbers)
    include (!x, !y) h = let x' = (x + h) `rem` 4294967291 in (x', (y + x') `rem` 4294967291)
    halves x = let bits = castDoubleToWord64 (if isNaN x then abs x else x) in [bits `shiftR` 32, bits .&. 0xffffffff]

-- * Verbs without a model

-- | In the order of the ladder.
verbs :: [(ByteString, Parser s Builder)]
verbs =
  [ ("hello", hello), ("arith", arith), ("math", math), ("random", random), ("tokens", tokens), ("graph", graphs)
  , ("forward", forward), ("backward", backwards), ("adam", adamStep), ("train", train), ("sample", sampling)
  , ("run", wholeRun)
  ]

hello, arith, math, random, tokens, graphs, forward, backwards, adamStep, train, sampling, wholeRun :: Parser s Builder
hello = pure (line "name" ["haskell"] <> line "protocol" ["1"] <> keys "verbs" verbs <> keys "math" kindsOfMath)
  where
    keys key = line key . map (byteString . fst)

kindsOfMath :: [(ByteString, Math)]
kindsOfMath = [("exact", Exact), ("native", Native)]

mathLine :: Parser s Math
mathLine = field "math" (keyword kindsOfMath)

calculations :: [(ByteString, Parser s Double)] -> [(ByteString, Parser s Builder)]
calculations table = [(key, doubles key . pure <$> result) | (key, result) <- table]

arith = answers $ ("decimals", textLine "decimals" . decimals <$> printable) : calculations
  [ ("add", (+) <$> double <*> double), ("sub", (-) <$> double <*> double), ("mul", (*) <$> double <*> double)
  , ("div", (/) <$> double <*> double), ("sqrt", sqrt <$> double)
  , ("muladd", (\x y z -> x * y + z) <$> double <*> double <*> double)
  , ("sum", foldl' (+) zero <$> oneOrMore double)
  , ("dot", foldl' (+) zero <$> oneOrMore ((*) <$> double <*> double))
  ]
  where
    printable = doubleThat "a number up to 2^53" (\x -> isNaN x || isInfinite x || abs x <= 0x1p53)

math = mathLine >>= \kind -> answers $ calculations
  [ ("exp", expOf kind <$> double), ("log", logOf kind <$> double), ("sin", sinOf kind <$> angle)
  , ("cos", cosOf kind <$> angle), ("pow", powOf kind <$> double <*> exponentUpTo 4096)
  ]
  where
    angle = doubleThat "an angle from -8 to 8" (\x -> isNaN x || abs x <= 8)

exponentUpTo :: Double -> Parser s Double
exponentUpTo limit = doubleThat "an integer or half-integer in range" $ \y ->
  abs y <= limit && 2 * y == fromIntegral (truncate (2 * y) :: Int)

random = do
  kind <- mathLine
  generator <- field "seed" (integer 0 4294967295) >>= work . newSTRef . seeded . fromIntegral
  let count = integer 0 1000
      repeated n draw = work (replicateM n draw)
  answers
    [ ("words", count >>= \n -> line "words" . map word32Dec <$> repeated n (word generator))
    , ("random", count >>= \n -> doubles "random" <$> repeated n (uniform generator))
    , ("gauss", count >>= \n -> double >>= \spread -> doubles "gauss" <$> repeated n (gauss kind generator spread))
    , ("shuffle", integer 0 10000 >>= \n -> integers "shuffle" <$> work (shuffle generator [0 .. n - 1]))
    , ("choices", do
        n <- count
        weights <- oneOrMore double
        check "1000 weights at most" (length weights <= 1000)
        integers "choices" <$> lift (replicateM n (choice generator weights)))
    , ("state", do
        Twister used ws _ second <- work (readSTRef generator)
        let state' = line "state" (intDec used : map word32Dec (take 624 ws))
        pure (state' <> maybe (line "kept" ["none"]) (doubles "kept" . pure) second))
    ]

textLines :: Parser s [Text]
textLines = several "line" $ do
  points <- remaining (integer 0 1114111)
  check "code points and no surrogates" (all (\n -> n < 0xd800 || n > 0xdfff) points)
  Text.pack (map chr points) <$ check "10000 code points at most" (length points <= 10000)

tokens = do
  documents <- documentsOf <$> textLines
  tokenizer <- tokenizerOf documents
  let characters = textLine "vocabulary" (Text.pack (Map.keys tokenizer))
      encoded = foldMap (integers "encoded" . encode tokenizer) documents
  pure (integers "documents" [length documents] <> characters <> integers "bos" [Map.size tokenizer] <> encoded)

graphs = mathLine >>= work . newGraph >>= expressions Map.empty
  where
    expressions nodes graph' = oneOf (expression nodes) >>= \case
      Right make -> work (build graph' make) >>= \node -> expressions (Map.insert (Map.size nodes) node nodes) graph'
      Left root -> work . build graph' $ do
        backward root
        values <- mapM value nodes
        gradients <- mapM gradient nodes
        pure (foldMap (doubles "value" . pure) values <> foldMap (doubles "gradient" . pure) gradients)

-- | The next line of a graph: the root, or how to make a node from those before.
expression :: Map.Map Int Node -> [(ByteString, Parser s (Either Node (Build s Node)))]
expression nodes = ("root", Left <$> node) : map (fmap (fmap Right))
  [ ("leaf", leaf <$> double), ("add", add <$> node <*> node), ("sub", (\a b -> negated b >>= add a) <$> node <*> node)
  , ("mul", mul <$> node <*> node), ("div", over <$> node <*> node), ("neg", negated <$> node)
  , ("pow", flip power <$> node <*> exponentUpTo 1024), ("exp", exponential <$> node), ("log", logarithm <$> node)
  , ("relu", relu <$> node), ("sum", total <$> oneOrMore node)
  , ("add_number", flip plus <$> node <*> double), ("sub_number", flip (plus . negate) <$> node <*> double)
  , ("mul_number", flip times <$> node <*> double), ("div_number", flip overNumber <$> node <*> double)
  , ("number_sub", (\c a -> negated a >>= plus c) <$> double <*> node)
  , ("number_div", (\c a -> power (-1) a >>= times c) <$> double <*> node)
  ]
  where
    node = (nodes Map.!) <$> integer 0 (Map.size nodes - 1)

-- * Verbs with a model

modelLines :: Parser s (Math, Config)
modelLines = do
  kind <- mathLine
  l <- field "layers" (integer 1 16)
  h <- field "heads" (integer 1 64)
  e <- field "embedding" (integer 1 512)
  check "an embedding that is a multiple of the heads" (e `rem` h == 0)
  b <- field "block" (integer 1 1024)
  v <- field "vocabulary" (integer 2 2048)
  a <- field "activation" (keyword [("relu", ReluOnce), ("squared_relu", ReluSquared)])
  table <- forM [0 .. b - 1] $ \t -> do
    positions <- field "attend" (oneOrMore (integer 0 t))
    positions <$ check "increasing positions and itself at the end" (increasing positions && last positions == t)
  pure (kind, Config l h e b v a (listArray (0, b - 1) table))

increasing :: [Int] -> Bool
increasing list = and (zipWith (<) list (drop 1 list))

tokenList :: Config -> Parser s [Token]
tokenList shape = let token = integer 0 (vocabulary shape - 1) in (:) <$> token <*> oneOrMore token

-- | The numbers of one tensor for each matrix.
parameterLines :: ByteString -> Config -> Parser s (Model [[Double]])
parameterLines prefix = mapM (tensorOf prefix) . shapes

optimizerLines :: Parser s Optimizer
optimizerLines =
  Optimizer <$> real "learning_rate" <*> real "beta1" <*> real "beta2" <*> real "epsilon" <*> falling <*> stepsLine
  where
    real key = field key double
    falling = field "schedule" (keyword [("linear", LinearFall), ("cosine", CosineFall)])

stepsLine, samplesLine :: Parser s Int
stepsLine = field "steps" (integer 1 4096)
samplesLine = field "samples" (integer 0 1000)

-- | What forward and backward share: the loss of a document while somebody watches, and what to make of it.
withLoss :: Watch s -> (Network s -> Node -> Build s Builder) -> Parser s Builder
withLoss watch conclude = do
  (kind, shape) <- modelLines
  document <- field "tokens" (tokenList shape)
  network <- parameterLines "" shape >>= work . newNetwork kind shape
  work (build (graph network) (documentLoss watch network document >>= conclude network))

forward = work (newSTRef mempty) >>= \seen -> withLoss (watch seen) $ \_ loss ->
  (<>) <$> lift (readSTRef seen) <*> (doubles "loss" . pure <$> value loss)
  where
    watch seen called vector = mapM value vector >>= \xs ->
      lift (modifySTRef' seen (<> tensor (Shape (Char8.pack called) 1 (length xs)) xs))

backwards = withLoss unwatched $ \network loss -> do
  backward loss
  gradients <- snd . head <$> lift (numbersOf network)
  (<> tensors "" (config network) gradients) . doubles "loss" . pure <$> value loss

adamStep = do
  kind <- mathLine
  how <- optimizerLines
  step <- field "step" (integer 0 (steps how - 1))
  (rows, columns) <- field "tensor" ((,) <$ keyword [("parameters", ())] <*> integer 1 2048 <*> integer 1 2048)
  let array = work . newListArray (0, rows * columns - 1) . concat
      given called = tensorOf "" (Shape called rows columns) >>= array
      shown called numbers = tensor (Shape called rows columns) <$> work (getElems numbers)
      (rate, correction1, correction2) = factorsAt kind how step
      factors = doubles "rate" [rate] <> doubles "correction1" [correction1] <> doubles "correction2" [correction2]
  ps <- replicateM rows (field "row" (replicateM columns double)) >>= array
  gs <- given "gradients"
  ms <- given "m"
  vs <- given "v"
  work (update kind how step (rows * columns) ps gs ms vs)
  (factors <>) . fold <$> sequence [shown "m" ms, shown "v" vs, shown "parameters" ps]

train = do
  (kind, shape) <- modelLines
  how <- optimizerLines
  from <- field "from" (integer 0 (steps how - 1))
  count <- field "count" (integer 1 (steps how - from))
  full <- field "full" (remaining (integer from (from + count - 1)))
  check "increasing steps in the line full" (increasing full)
  documents <- several "tokens" (tokenList shape)
  untrained <- parameterLines "" shape >>= work . newNetwork kind shape
  let array = work . newListArray (0, parameterCount shape - 1) . concatMap concat
      moments prefix = parameterLines prefix shape >>= array
      given = (\ms vs -> untrained {firstMoments = ms, secondMoments = vs}) <$> moments "m." <*> moments "v."
  network <- if from == 0 then pure untrained else given
  fmap fold . forM (zip [from .. from + count - 1] (drop (from `rem` length documents) (cycle documents))) $
    \(step, document) -> do
      loss <- work (advance how network step document)
      results <- work (numbersOf network)
      let inFull = [tensors (key <> ".") shape numbers | step `elem` full, (key, numbers) <- results]
      pure (integers "step" [step] <> doubles "loss" [loss] <> foldMap (uncurry checksum) results <> fold inFull)

nextWord :: Generator s -> Parser s Builder
nextWord generator = (\next -> line "word" [word32Dec next]) <$> work (word generator)

sampling = do
  (kind, shape) <- modelLines
  heat <- field "temperature" double
  count <- samplesLine
  network <- parameterLines "" shape >>= work . newNetwork kind shape
  twisted <- field "state" (twister <$> integer 0 624 <*> replicateM 624 (fromIntegral <$> integer 0 4294967295))
  isNone <- gets ((== ["none"]) . take 1 . drop 1)
  second <- field "kept" (if isNone then keyword [("none", Nothing)] else Just <$> double)
  generator <- work (newSTRef (twisted second))
  found <- lift (replicateM count (sample network heat generator))
  (foldMap oneSample (zip [0 ..] found) <>) <$> nextWord generator
  where
    oneSample (i, draws) = integers "sample" [i] <> foldMap draw draws
    draw (probabilities, token) = doubles "probabilities" probabilities <> integers "token" [token]

wholeRun = do
  kind <- mathLine
  preset <- field "preset" (keyword presets)
  chosen <- (\n wanted -> preset {adam = (adam preset) {steps = n}, samples = wanted}) <$> stepsLine <*> samplesLine
  text <- textLines
  said <- work (newSTRef mempty)
  (network, generator) <- lift (run kind chosen text (\printed -> modifySTRef' said (<> textLine "print" printed)))
  printed <- work (readSTRef said)
  results <- work (numbersOf network)
  let sums = foldMap (uncurry checksum) (drop 3 results <> take 2 (drop 1 results))
  ((printed <> sums) <>) <$> nextWord generator
