{-# LANGUAGE LambdaCase #-}
{-# LANGUAGE OverloadedStrings #-}

-- | The form of requests and replies (SPEC, section 11): lines, keys, values, and what can be wrong with
-- them. What they mean is in "NumberVerbs" and "ModelVerbs".
--
-- Two parsers take a request apart: one takes lines, the other the values of a line. Lines are a lazy list,
-- so that a reply waits for its own request only, and a request that is bad from the start is not kept in
-- memory.
module Wire
  ( -- * Lines
    Line (..)
  , linesOf
  , isEnd
    -- * Requests
  , Reason
  , Parser
  , parsed
  , header
  , field
  , oneOf
  , several
  , untilEnd
  , matrix
  , rowsOf
    -- * Values
  , Values
  , keyword
  , integer
  , double
  , doubleThat
  , such
  , orNone
  , remaining
  , failing
    -- * Replies
  , line
  , decimal
  , hexadecimal
  , tensor
  ) where

import Control.Monad (guard, replicateM)
import Control.Monad.State.Strict (StateT (..), evalStateT, get, gets, lift, put)
import Data.Bifunctor (first)
import Data.Bits (shiftL, (.|.))
import Data.ByteString (ByteString)
import qualified Data.ByteString as Bytes
import Data.ByteString.Builder (Builder, byteString, intDec, word64HexFixed)
import qualified Data.ByteString.Char8 as Char8
import qualified Data.ByteString.Lazy as Lazy
import Data.Char (isAsciiLower, isAsciiUpper, isDigit)
import Data.Word (Word64, Word8)
import GHC.Float (castDoubleToWord64, castWord64ToDouble)

-- * Lines

-- | A line without its LF, or what the end of the input has cut off.
data Line = Line !ByteString | CutOff

linesOf :: Lazy.ByteString -> [Line]
linesOf input
  | Lazy.null input = []
  | otherwise = kept `seq` if Lazy.null rest then [CutOff] else Line kept : linesOf (Lazy.drop 1 rest)
  where
    (text, rest) = Lazy.break (== 10) input
    kept = Lazy.toStrict (Lazy.take (fromIntegral longest + 1) text) -- enough to see that it is too long

longest :: Int
longest = 65536

isEnd :: Line -> Bool
isEnd (Line "end") = True
isEnd _ = False

-- | A sentence in printable ASCII: what was expected, and what came.
type Reason = ByteString

-- | The words of a well-formed line, one or more.
wordsOf :: Line -> Either Reason [ByteString]
wordsOf CutOff = Left "the input ended before the line end"
wordsOf (Line text)
  | Bytes.length text > longest = Left "a line has at most 65536 bytes and this one has more"
  | Bytes.any (\byte -> byte < 32 || byte > 126) text = Left "a line is printable ASCII and this one is not"
  | any Bytes.null found = Left "words are separated by single spaces and this line is empty or has others"
  | otherwise = Right found
  where
    found = Char8.split ' ' text <> [Bytes.empty | Bytes.null text]

-- | The beginning of something, fit to be quoted.
quoted :: ByteString -> ByteString
quoted = Bytes.map (\byte -> if byte <= 32 || byte > 126 then 63 else byte) . Bytes.take 40

-- * Requests

-- | Takes the lines between the first line of a request and its end. Lines are numbered as in the request.
type Parser = StateT [(Int, Line)] (Either Reason)

-- | A parser of a request's lines but for the first, down to the end.
parsed :: Parser a -> [Line] -> Either Reason a
parsed parser = evalStateT (parser <* end) . zip [2 ..]

failing :: Reason -> StateT s (Either Reason) a
failing = lift . Left

-- | With a line's number in front of what is wrong with it.
atLine :: Int -> Either Reason a -> Either Reason a
atLine number = first (("line " <> shown number <> " ") <>)

-- | Verb and id.
header :: Line -> Either Reason (ByteString, ByteString)
header top = wordsOf top >>= \case
  [verb, name] | Bytes.length name <= 64, Char8.all isIdCharacter name -> Right (verb, name)
  found -> Left (expected <> " and got " <> quoted (Char8.unwords found))
  where
    expected = "expected a verb and an id of 1 to 64 letters digits . _ -"
    isIdCharacter c = isAsciiLower c || isAsciiUpper c || isDigit c || c `Char8.elem` "._-"

-- | A line with one of these keys.
oneOf :: [(ByteString, Values a)] -> Parser a
oneOf choices = get >>= \case
  [] -> failing (expected <> " and got the end")
  (number, next) : rest -> do
    put rest
    lift . atLine number $ do
      found <- wordsOf next
      let key = Bytes.concat (take 1 found)
      case lookup key choices of
        Just values -> first ((key <> " ") <>) (evalStateT (values <* nothingMore) (drop 1 found))
        Nothing -> Left (expected <> " and got " <> quoted key)
  where
    expected = "expected the key " <> Bytes.intercalate " or " (map fst choices)
    nothingMore = get >>= \case
      [] -> pure ()
      extra : _ -> failing ("expected no further value and got " <> quoted extra)

field :: ByteString -> Values a -> Parser a
field key values = oneOf [(key, values)]

-- | One line of this key, and all others of the same key that follow at once.
several :: ByteString -> Values a -> Parser [a]
several key values = do
  one <- field key values
  following <- gets (take 1)
  case following of
    [(_, Line text)] | Char8.takeWhile (/= ' ') text == key -> (one :) <$> several key values
    _ -> pure [one]

-- | Once, and again until no line is left.
untilEnd :: Parser a -> Parser [a]
untilEnd parser = do
  one <- parser
  finished <- gets null
  if finished then pure [one] else (one :) <$> untilEnd parser

-- | No line is left.
end :: Parser ()
end = get >>= \case
  [] -> pure ()
  (number, next) : _ -> lift . atLine number $ do
    found <- wordsOf next
    Left ("expected the end and got " <> quoted (Bytes.concat (take 1 found)))

-- | The elements of a tensor of this name and shape, row by row.
matrix :: ByteString -> Int -> Int -> Parser [Double]
matrix name rows columns = do
  field "tensor" (keyword [(name, ())] *> such rows *> such columns)
  rowsOf rows columns

-- | The rows behind the first line of a tensor.
rowsOf :: Int -> Int -> Parser [Double]
rowsOf rows columns = concat <$> replicateM rows (field "row" (replicateM columns double))

-- * Values

-- | Takes the words behind a key.
type Values = StateT [ByteString] (Either Reason)

value :: ByteString -> (ByteString -> Maybe a) -> Values a
value expected parse = get >>= \case
  [] -> failing ("expected " <> expected <> " and got the end of the line")
  next : rest -> case parse next of
    Just a -> a <$ put rest
    Nothing -> failing ("expected " <> expected <> " and got " <> quoted next)

-- | All values that are left.
remaining :: Values a -> Values [a]
remaining values = do
  finished <- gets null
  if finished then pure [] else (:) <$> values <*> remaining values

-- | One of these words, and what it stands for.
keyword :: [(ByteString, a)] -> Values a
keyword choices = value (Bytes.intercalate " or " (map fst choices)) (`lookup` choices)

integer :: Int -> Int -> Values Int
integer low high = value ("an integer from " <> shown low <> " to " <> shown high) parse
  where
    parse text = do
      guard (Bytes.length text <= 10 && Char8.all isDigit text)
      guard (Bytes.length text == 1 || Char8.head text /= '0')
      (n, _) <- Char8.readInt text
      n <$ guard (low <= n && n <= high)

-- | This integer.
such :: Int -> Values ()
such n = value (shown n) (\text -> if text == shown n then Just () else Nothing)

shown :: Int -> ByteString
shown = Char8.pack . show

double :: Values Double
double = value "a double of 16 lower-case hex digits" parse
  where
    parse text
      | Bytes.length text == 16 = castWord64ToDouble <$> Bytes.foldl' withDigit (Just 0) text
      | otherwise = Nothing
    withDigit :: Maybe Word64 -> Word8 -> Maybe Word64
    withDigit Nothing _ = Nothing
    withDigit (Just n) byte
      | byte >= 48 && byte <= 57 = Just (n `shiftL` 4 .|. fromIntegral (byte - 48))
      | byte >= 97 && byte <= 102 = Just (n `shiftL` 4 .|. fromIntegral (byte - 87))
      | otherwise = Nothing

-- | A double that fulfils a condition, told in words.
doubleThat :: ByteString -> (Double -> Bool) -> Values Double
doubleThat expected fits = do
  x <- double
  if fits x then pure x else failing ("expected " <> expected <> " and got " <> Char8.pack (show x))

-- | The word none, or a value.
orNone :: Values a -> Values (Maybe a)
orNone values = get >>= \case
  "none" : rest -> Nothing <$ put rest
  _ -> Just <$> values

-- * Replies

line :: ByteString -> [Builder] -> Builder
line key given = byteString key <> foldMap (" " <>) given <> "\n"

decimal :: Int -> Builder
decimal = intDec

-- | All NaNs are written alike.
hexadecimal :: Double -> Builder
hexadecimal x
  | x /= x = "7ff8000000000000"
  | otherwise = word64HexFixed (castDoubleToWord64 x)

-- | Of this name, so many rows and columns, and these elements.
tensor :: ByteString -> Int -> Int -> [Double] -> Builder
tensor name rows columns elements =
  line "tensor" [byteString name, decimal rows, decimal columns] <> rowLines elements
  where
    rowLines [] = mempty
    rowLines numbers = line "row" (map hexadecimal row) <> rowLines more
      where
        (row, more) = splitAt columns numbers
